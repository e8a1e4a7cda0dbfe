//! What the registry tells whoever runs it.
//!
//! It decides nothing: what becomes of a record is the observer's affair.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::api::body::ReplyBody;

/// A request that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestRecord<'a> {
    /// Who asked.
    pub client: SocketAddr,
    /// How.
    pub method: &'a str,
    /// For what: the path and the query. It holds no secrets; those are in headers.
    pub path: &'a str,
    /// The response's status.
    pub status: u16,
    /// How many bytes of the response's body were taken.
    pub sent: u64,
    /// From the request's head to the response's end.
    pub elapsed: Duration,
    /// Whether the response was sent as a whole.
    pub is_complete: bool,
    /// Why the registry could not do it, where that is not the client's fault.
    pub failure: Option<&'a str>,
}

/// Hears of what happens. It is called from the server's own threads, so it should not take long.
pub trait Observer: Send + Sync {
    /// A request has ended.
    fn request(&self, record: &RequestRecord<'_>) {
        _ = record;
    }

    /// Something went wrong that is no request's: a handshake, or the listener.
    fn trouble(&self, message: &str) {
        _ = message;
    }
}

/// Hears nothing.
#[derive(Debug)]
pub(crate) struct Deaf;

impl Observer for Deaf {}

/// A response's body that tells the observer when it has ended, however that comes about.
pub(crate) struct WatchedBody {
    body: ReplyBody,
    record: Ended,
}

/// What is told.
pub(crate) struct Ended {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) client: SocketAddr,
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) begun: Instant,
    pub(crate) status: u16,
    pub(crate) failure: Option<String>,
    pub(crate) sent: u64,
    pub(crate) is_complete: bool,
}

impl WatchedBody {
    pub(crate) fn new(body: ReplyBody, mut record: Ended) -> Self {
        record.is_complete = body.is_end_stream() || record.method == http::Method::HEAD;
        Self { body, record }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            match frame {
                Some(Ok(frame)) => {
                    self.record.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                    // Nobody asks again after the last frame.
                    self.record.is_complete = self.body.is_end_stream();
                }
                Some(Err(err)) => self.record.failure = Some(err.to_string()),
                None => self.record.is_complete = true,
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.observer.request(&RequestRecord {
            client: self.client,
            method: self.method.as_str(),
            path: &self.path,
            status: self.status,
            sent: self.sent,
            elapsed: self.begun.elapsed(),
            is_complete: self.is_complete,
            failure: self.failure.as_deref(),
        });
    }
}
