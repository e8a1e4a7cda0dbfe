//! Bodies of responses: a guest's stream, or a sentence from the host.
//!
//! A guest's body drives its guest, so that a client that reads slowly slows the guest down, and one that goes away takes
//! the guest with it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::guest::Guest;
use super::own_pages::OwnBody;
use crate::engine::linked::Identity;

/// A body that is complete with its head and not larger is sent in one piece.
const LARGEST_WHOLE_BODY: usize = 64 * 1024;

/// A response's body.
pub(super) enum ResponseBody {
    Text(Full<Bytes>),
    Own(OwnBody),
    Guest(GuestBody),
}

/// A response from the host itself: a status and a sentence.
pub(super) fn text(status: StatusCode, message: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Text(Full::from(format!("{message}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The body that a guest writes while it is being sent.
pub(super) struct GuestBody {
    /// What was there of the body when its head was sent; an error comes only once.
    first: VecDeque<Result<Frame<Bytes>, Error>>,
    body: HyperOutgoingBody,
    guest: Guest,
    failed: Arc<AtomicBool>,
    delivery: Delivery,
    workload: Arc<Identity>,
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
    /// Joins a response to the guest that writes its body. `failed` is set before the body of a guest that failed ends,
    /// because an end alone looks the same as success.
    pub(super) fn attach(
        response: Response<HyperOutgoingBody>,
        method: &Method,
        guest: Guest,
        failed: Arc<AtomicBool>,
        workload: &Arc<Identity>,
    ) -> Response<ResponseBody> {
        let delivery = Delivery::of(&response, method);
        let (parts, mut body) = response.into_parts();
        let mut first = VecDeque::new();
        if guest.has_ended() && !failed.load(Ordering::Acquire) && !matches!(delivery, Delivery::Nothing) {
            match whole(&mut body, &delivery) {
                Collected::Whole(bytes) => return Response::from_parts(parts, ResponseBody::Text(Full::new(bytes))),
                Collected::Part(frames) => first = frames,
            }
        }
        let workload = Arc::clone(workload);
        let body = Self { first, body, guest, failed, delivery, workload };
        Response::from_parts(parts, ResponseBody::Guest(body))
    }

    /// Logs that the client does not get all of the body. Where the guest failed, that is in the log already.
    fn log_cut(&self, err: Option<&Error>) {
        if self.failed.load(Ordering::Acquire) || matches!(self.delivery, Delivery::Nothing) {
            return;
        }
        let missing = match self.delivery {
            Delivery::Bytes(bytes) if bytes > 0 => format!(", {bytes} bytes before its content-length"),
            _ => String::new(),
        };
        let why: &dyn std::fmt::Display = match err {
            // A body that is dropped ends so.
            None | Some(Error::HttpProtocolError) => &"the component did not finish its body",
            Some(err) => err,
        };
        let Identity { id, name, .. } = &*self.workload;
        tracing::error!(workload_id = id.as_str(), workload = name.as_str(), "a response was cut off{missing}: {why}");
    }
}

/// What of a body was there at once.
enum Collected {
    Whole(Bytes),
    Part(VecDeque<Result<Frame<Bytes>, Error>>),
}

/// Takes what is there of the body of a guest that has ended, without waiting.
fn whole(body: &mut HyperOutgoingBody, delivery: &Delivery) -> Collected {
    let mut cx = Context::from_waker(Waker::noop());
    let mut frames = VecDeque::new();
    let mut last = None;
    let mut size = 0;
    while size <= LARGEST_WHOLE_BODY {
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                size += frame.data_ref().map_or(0, Bytes::len);
                frames.push_back(frame);
            }
            Poll::Ready(None) if delivery.is_kept_by(size) => return Collected::Whole(joined(frames, size)),
            // Sent whole, it would end elsewhere than its head says, and what follows on the connection would be read as
            // something else. The body says its end once more.
            Poll::Ready(None) => break,
            Poll::Ready(Some(trailers_or_error)) => {
                last = Some(trailers_or_error);
                break;
            }
            Poll::Pending => break,
        }
    }
    Collected::Part(frames.into_iter().map(Ok).chain(last).collect())
}

fn joined(mut frames: VecDeque<Frame<Bytes>>, size: usize) -> Bytes {
    if frames.len() <= 1 {
        return frames.pop_front().and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    }
    let mut bytes = BytesMut::with_capacity(size);
    for frame in frames {
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    bytes.freeze()
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

    /// Whether so many bytes are all that the head has promised, and no more.
    fn is_kept_by(&self, bytes: usize) -> bool {
        match self {
            Self::Bytes(promised) => *promised == bytes as u64,
            Self::Open | Self::Nothing => true,
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
        let frame = match this.first.pop_front() {
            Some(frame) => Some(frame),
            None => match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    // The guest may write what is missing; that it has ended says nothing that the body will not say.
                    _ = this.guest.poll(cx);
                    std::task::ready!(Pin::new(&mut this.body).poll_frame(cx))
                }
            },
        };
        this.guest.schedule().extend();
        match &frame {
            Some(Ok(frame)) => this.delivery.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(err)) => this.log_cut(Some(err)),
            // Ends the connection instead of the body, so that the client can tell.
            None if this.failed.load(Ordering::Acquire) || matches!(this.delivery, Delivery::Bytes(1..)) => {
                this.log_cut(None);
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            None => this.delivery = Delivery::Nothing,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        // The client has all there is, and what the guest does after its response is its own business.
        if self.delivery.is_complete() || self.is_end_stream() {
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
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Guest(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
            Self::Guest(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
            Self::Guest(body) => body.size_hint(),
        }
    }
}
