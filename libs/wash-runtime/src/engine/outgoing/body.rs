//! The bodies of a request and its response, with what depends on how far they have come.
//!
//! A connection is used again only if both have been read to their end; a guest that turns away earlier ends it.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::connection::Connection;
use super::failure;
use super::pool::Pool;
use super::target::Origin;

/// A request's body. hyper drops it once it has been sent.
pub(super) struct RequestBody {
    inner: WasiBody,
    _unsent: Arc<()>,
}

/// Tells whether a request's body is still being sent.
pub(super) struct Unsent(Weak<()>);

impl RequestBody {
    pub(super) fn new(inner: WasiBody) -> (Self, Unsent) {
        let unsent = Arc::new(());
        let watch = Unsent(Arc::downgrade(&unsent));
        (Self { inner, _unsent: unsent }, watch)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The connection that a response comes on, and where it goes afterwards.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) origin: Origin,
    pub(super) pool: Arc<Pool>,
    pub(super) request_body: Unsent,
}

impl Lease {
    fn give_back(self) {
        // One that carries several requests at once has been in the pool all along.
        if self.connection.share().is_none() {
            self.pool.put(self.origin, self.connection);
        }
    }

    fn is_sent(&self) -> bool {
        self.request_body.0.strong_count() == 0
    }
}

/// A response's body.
pub(super) struct ResponseBody {
    state: State,
    /// How long the server may be silent.
    patience: Duration,
    /// Runs while a guest waits for the next part.
    silence: Option<Pin<Box<Sleep>>>,
}

enum State {
    Reading {
        incoming: Incoming,
        lease: Lease,
        _place: OwnedSemaphorePermit,
    },
    /// Read to its end, while the request is still being sent.
    Read(Lease),
    Over,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, place: OwnedSemaphorePermit, patience: Duration) -> Self {
        let mut body = Self { state: State::Reading { incoming, lease, _place: place }, patience, silence: None };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// There is no more to read: the next request may have the connection, if this one has been sent.
    fn finish(&mut self) {
        self.silence = None;
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Reading { lease, .. } | State::Read(lease) => {
                if lease.is_sent() {
                    lease.give_back();
                    State::Over
                } else {
                    State::Read(lease)
                }
            }
            State::Over => State::Over,
        };
    }

    fn fail(&mut self, err: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.silence = None;
        self.state = State::Over;
        Poll::Ready(Some(Err(err)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let State::Reading { incoming, .. } = &mut this.state else { return Poll::Ready(None) };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.silence = None;
                if frame.is_trailers() || incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(err))) => this.fail(failure::of_body(&err)),
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let patience = this.patience;
                let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(patience)));
                ready!(silence.as_mut().poll(cx));
                this.fail(Error::ConnectionReadTimeout)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Reading { incoming, .. } => incoming.is_end_stream(),
            State::Read(_) | State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Reading { incoming, .. } => incoming.size_hint(),
            State::Read(_) | State::Over => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.finish();
        }
    }
}

/// Like tokio's own, but for times that no clock reaches.
fn sleep(duration: Duration) -> Sleep {
    const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    tokio::time::sleep_until(Instant::now() + duration.min(FAR))
}
