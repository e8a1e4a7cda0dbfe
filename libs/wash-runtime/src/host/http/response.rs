//! Bodies of responses: a guest's stream, or a sentence from the host.
//!
//! A guest's body holds on to its guest, so that a client that goes away takes the guest with it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// A response's body.
pub(super) enum ResponseBody {
    Text(Full<Bytes>),
    Guest(GuestBody),
}

/// A response from the host itself: a status and a sentence.
pub(super) fn text(status: StatusCode, message: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Text(Full::from(format!("{message}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A guest at work on a request. Dropped, it is ended.
pub(super) struct GuestTask<T> {
    task: Option<JoinHandle<T>>,
}

impl<T> GuestTask<T> {
    pub(super) fn new(task: JoinHandle<T>) -> Self {
        Self { task: Some(task) }
    }

    /// Lets the guest go on by itself.
    fn detach(&mut self) {
        self.task = None;
    }

    /// What the guest's task returned; `None` if it panicked.
    pub(super) async fn finished(mut self) -> Option<T> {
        match &mut self.task {
            Some(task) => task.await.ok(),
            None => None,
        }
    }
}

impl<T> Drop for GuestTask<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The body that a guest writes while it is being sent.
pub(super) struct GuestBody {
    body: HyperOutgoingBody,
    guest: GuestTask<wasmtime::Result<()>>,
    failed: Arc<AtomicBool>,
    delivery: Delivery,
}

/// How much of a body the client still has to get.
enum Delivery {
    /// Until the body's own end.
    Open,
    /// So many bytes, as the response's head has promised.
    Bytes(u64),
    /// Nothing: the protocol sends no body with this response.
    Nothing,
}

impl GuestBody {
    /// Joins a response to the guest that still writes its body. `failed` is set before the body of a guest that
    /// failed ends, because an end alone looks the same as success.
    pub(super) fn attach(
        response: Response<HyperOutgoingBody>,
        method: &Method,
        guest: GuestTask<wasmtime::Result<()>>,
        failed: Arc<AtomicBool>,
    ) -> Response<ResponseBody> {
        let delivery = Delivery::of(&response, method);
        response.map(|body| ResponseBody::Guest(Self { body, guest, failed, delivery }))
    }
}

impl Delivery {
    fn of<B>(response: &Response<B>, method: &Method) -> Self {
        let status = response.status();
        if method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Self::Nothing;
        }
        let promised = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        promised.map_or(Self::Open, Self::Bytes)
    }

    fn sent(&mut self, bytes: usize) {
        if let Self::Bytes(left) = self {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self, Self::Nothing | Self::Bytes(0))
    }
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => this.delivery.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => {}
            // Ends the connection instead of the body, so that the client can tell.
            None if this.failed.load(Ordering::Acquire) => {
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            None => this.delivery = Delivery::Nothing,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        // The client has all there is, and what the guest does after its response is its own business.
        if self.delivery.is_complete() || self.body.is_end_stream() {
            self.guest.detach();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Text(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Guest(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(body) => body.is_end_stream(),
            Self::Guest(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(body) => body.size_hint(),
            Self::Guest(body) => body.size_hint(),
        }
    }
}
