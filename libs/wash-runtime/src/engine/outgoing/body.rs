//! The bodies of a request and its response, with what depends on how far they have come.
//!
//! A connection is used again only if both have been read to their end; a guest that turns away earlier ends it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// A request's body, as a connection gets it. The connection drops it once it has been sent.
pub(super) struct RequestBody(Arc<Mutex<Sending>>);

/// How far a request's body has come.
pub(super) struct RequestProgress(Arc<Mutex<Sending>>);

struct Sending {
    /// The body, as long as somebody may read it: a guest that writes to it learns when nobody does.
    body: Option<WasiBody>,
    /// A part of it has been taken out.
    begun: bool,
    /// The connection has let go of it.
    over: bool,
    /// There is a response, so that it will not be sent again.
    answered: bool,
}

impl RequestBody {
    pub(super) fn new(body: WasiBody) -> (Self, RequestProgress) {
        let sending = Sending { body: Some(body), begun: false, over: false, answered: false };
        let sending = Arc::new(Mutex::new(sending));
        (Self(Arc::clone(&sending)), RequestProgress(sending))
    }
}

impl RequestProgress {
    /// The whole body, if the connection that had it has taken nothing out of it.
    pub(super) fn again(&self) -> Option<RequestBody> {
        let mut sending = lock(&self.0);
        if sending.begun || !sending.over || sending.body.is_none() {
            return None;
        }
        sending.over = false;
        Some(RequestBody(Arc::clone(&self.0)))
    }

    /// The server has answered.
    pub(super) fn answered(&self) {
        let mut sending = lock(&self.0);
        sending.answered = true;
        if sending.over {
            sending.body = None;
        }
    }

    fn is_over(&self) -> bool {
        lock(&self.0).over
    }
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    // A body that has panicked is not read again: its connection goes with it.
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut sending = lock(&self.0);
        let Some(body) = &mut sending.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        sending.begun |= frame.is_some();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut sending = lock(&self.0);
        sending.over = true;
        if sending.begun || sending.answered {
            sending.body = None;
        }
    }
}

/// The connection that a response comes on, and where it goes afterwards.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) origin: Origin,
    pub(super) pool: Arc<Pool>,
    pub(super) request: RequestProgress,
}

impl Lease {
    fn give_back(self) {
        // One that carries several requests at once has been in the pool all along.
        if self.connection.share().is_none() {
            self.pool.put(self.origin, self.connection);
        }
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
                if lease.request.is_over() {
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
