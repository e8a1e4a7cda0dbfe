//! A request's body, held to limits of size and time.
//!
//! It buffers nothing, and it does not decide what the client is told.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

/// What a request's body is held to. `None` sets no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BodyLimits {
    pub(super) bytes: Option<u64>,
    /// Between two frames, while somebody waits for the next one.
    pub(super) timeout: Option<Duration>,
}

/// Why a body ended early.
#[derive(Debug, Error)]
pub(super) enum BodyError<E> {
    #[error("the request's body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the request's body paused for longer than {limit:?}")]
    TimedOut { limit: Duration },
    #[error(transparent)]
    Body(E),
}

impl From<BodyError<hyper::Error>> for wasmtime_wasi_http::Error {
    fn from(err: BodyError<hyper::Error>) -> Self {
        match err {
            BodyError::TooLarge { limit } => Self::HttpRequestBodySize(Some(limit)),
            BodyError::TimedOut { .. } => Self::ConnectionReadTimeout,
            BodyError::Body(err) => err.into(),
        }
    }
}

/// Which limit a body broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Breach {
    TooLarge,
    TimedOut,
}

/// How a body stands, for whoever does not hold it.
#[derive(Debug, Default)]
pub(super) struct BodyWatch(AtomicU8);

const ENDED: u8 = 1;
const TOO_LARGE: u8 = 2;
const TIMED_OUT: u8 = 3;

impl BodyWatch {
    /// Whether it was read to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ENDED
    }

    /// Which limit it broke, if it did.
    pub(super) fn breach(&self) -> Option<Breach> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(Breach::TooLarge),
            TIMED_OUT => Some(Breach::TimedOut),
            _ => None,
        }
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Relaxed);
    }
}

/// A body that ends with an error where it breaks a limit.
pub(super) struct Limited<B> {
    body: B,
    limits: BodyLimits,
    received: u64,
    /// Made when the body first makes somebody wait, and then used again.
    pause: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    watch: Option<Arc<BodyWatch>>,
}

impl<B: Body> Limited<B> {
    /// The body, and what to watch it with where it is not over yet.
    pub(super) fn new(body: B, limits: BodyLimits) -> (Self, Option<Arc<BodyWatch>>) {
        let watch = (!body.is_end_stream()).then(Arc::<BodyWatch>::default);
        let limited = Self { body, limits, received: 0, pause: None, is_waiting: false, watch: watch.clone() };
        (limited, watch)
    }

    /// The limit that the body will break by the size that its head promises.
    pub(super) fn promised_breach(&self) -> Option<Breach> {
        let promised = self.body.size_hint().lower();
        self.limits.bytes.is_some_and(|limit| promised > limit).then_some(Breach::TooLarge)
    }

    fn note(&self, state: u8) {
        if let Some(watch) = &self.watch {
            watch.set(state);
        }
    }

    /// Ready once the body has made somebody wait for too long.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limits.timeout else { return Poll::Pending };
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.is_waiting {
            self.is_waiting = true;
            // So far off that it never comes, where the sum has no place in an instant.
            if let Some(deadline) = Instant::now().checked_add(limit) {
                pause.as_mut().reset(deadline);
            }
        }
        ready!(pause.as_mut().poll(cx));
        Poll::Ready(limit)
    }
}

impl<B: Body + Unpin> Body for Limited<B> {
    type Data = B::Data;
    type Error = BodyError<B::Error>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let limit = ready!(this.poll_pause(cx));
            this.note(TIMED_OUT);
            return Poll::Ready(Some(Err(BodyError::TimedOut { limit })));
        };
        this.is_waiting = false;
        Poll::Ready(match frame {
            None => {
                this.note(ENDED);
                None
            }
            Some(Err(err)) => Some(Err(BodyError::Body(err))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                this.received = this.received.saturating_add(bytes as u64);
                if let Some(limit) = this.limits.bytes.filter(|limit| this.received > *limit) {
                    this.note(TOO_LARGE);
                    return Poll::Ready(Some(Err(BodyError::TooLarge { limit })));
                }
                if this.body.is_end_stream() {
                    this.note(ENDED);
                }
                Some(Ok(frame))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    /// Frames one after the other, with a pause where there is none.
    struct Frames(VecDeque<Option<&'static str>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(Some(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
                Some(None) => {
                    self.0.push_front(None);
                    Poll::Pending
                }
            }
        }
    }

    fn limited(frames: &[Option<&'static str>], bytes: u64, milliseconds: u64) -> (Limited<Frames>, Arc<BodyWatch>) {
        let timeout = Some(Duration::from_millis(milliseconds));
        let limits = BodyLimits { bytes: Some(bytes), timeout };
        let (body, watch) = Limited::new(Frames(frames.iter().copied().collect()), limits);
        (body, watch.unwrap())
    }

    #[tokio::test]
    async fn a_body_within_its_limits_passes() {
        let (body, watch) = limited(&[Some("ab"), Some("cd")], 4, 10_000);
        assert!(!watch.has_ended());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcd");
        assert!(watch.has_ended());
        assert_eq!(watch.breach(), None);
        let (body, watch) = Limited::new(Empty::<Bytes>::new(), BodyLimits::default());
        assert!(watch.is_none() && body.is_end_stream());
    }

    #[tokio::test]
    async fn a_body_beyond_its_limits_fails() {
        let (body, watch) = limited(&[Some("ab"), Some("cd")], 3, 10_000);
        assert_eq!(body.collect().await.unwrap_err().to_string(), "the request's body is larger than 3 bytes");
        assert_eq!(watch.breach(), Some(Breach::TooLarge));
        let (body, watch) = limited(&[Some("ab"), None], 3, 10);
        assert_eq!(body.collect().await.unwrap_err().to_string(), "the request's body paused for longer than 10ms");
        assert_eq!(watch.breach(), Some(Breach::TimedOut));
        let limits = BodyLimits { bytes: Some(1), timeout: None };
        assert_eq!(Limited::new(Full::<Bytes>::from("ab"), limits).0.promised_breach(), Some(Breach::TooLarge));
        assert_eq!(Limited::new(Full::<Bytes>::from("a"), limits).0.promised_breach(), None);
    }
}
