//! A request to a component of WASI 0.3: its handler returns a response, and the guest may go on, to write the body and
//! for itself.
//!
//! Who gets the response, and what is said when there is none, is decided in [`super::exchange`].

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

use super::connection::IncomingRequest;
use super::exchange::GuestResponse;
use super::guest::GuestResult;
use crate::engine::Ctx;

/// Bytes of a body that are collected while the guest computes, so that a small response is sent in one piece.
const LARGEST_COLLECTION: usize = 64 * 1024;

/// How often a store is asked for more of a body before what has been collected is sent.
const TURNS_FOR_A_SMALL_BODY: usize = 3;

/// The guest's error instead of a response.
#[derive(Debug, Error)]
#[error("{0:?}")]
pub(super) struct Refused(ErrorCode);

/// Hands the request to an instance and drives it until it has nothing more to do. The response goes to `sender` as
/// soon as the guest waits for something, or has ended.
pub(super) async fn call(
    service: &Service,
    store: &mut Store<Ctx>,
    request: IncomingRequest,
    sender: oneshot::Sender<GuestResponse>,
) -> GuestResult {
    let schedule = std::sync::Arc::clone(store.data().schedule());
    let outbox = Outbox::new(sender);
    let run = store.run_concurrent(async |accessor: &Accessor<Ctx>| handle(service, accessor, request, &outbox).await);
    let mut run = pin!(run);
    let mut overdue: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = run.as_mut().poll(cx) {
            return Poll::Ready(result.flatten());
        }
        // The store hands on a body's bytes, and then its end, in turns of their own.
        for _ in 0..TURNS_FOR_A_SMALL_BODY {
            if !outbox.is_collecting() {
                break;
            }
            if let Poll::Ready(result) = run.as_mut().poll(cx) {
                return Poll::Ready(result.flatten());
            }
        }
        outbox.send();
        // From here on the body's end wakes this task, which may be the only thing that does.
        _ = outbox.poll_delivery(cx);
        // A guest that goes on after its response has as long for that as for the response.
        if overdue.is_none() && outbox.is_delivered() {
            overdue = schedule.deadline().map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        }
        match &mut overdue {
            Some(overdue) => overdue.as_mut().poll(cx).map(|()| Err(schedule.exceeded().into())),
            None => Poll::Pending,
        }
    })
    .await
}

async fn handle(service: &Service, accessor: &Accessor<Ctx>, request: IncomingRequest, outbox: &Outbox) -> GuestResult {
    let request = accessor.with(|mut access| {
        // What becomes of the request's body is known to whoever watches it.
        let (request, _body_result) = Request::from_http(access.data_mut().http().hooks, request);
        request
    });
    let response = match service.handle(accessor, request).await? {
        Ok(response) => response,
        Err(code) => return Err(Refused(code).into()),
    };
    let (delivered, delivery) = oneshot::channel();
    let transmission = async move { delivery.await.unwrap_or(Err(Error::ConnectionTerminated)) };
    let response = accessor.with(|access| response.into_http(access, transmission))?;
    outbox.put(response, delivered);
    poll_fn(|cx| {
        let has_ended = accessor.poll_no_interesting_tasks(cx).is_ready();
        // The body's last bytes may be on their way through the store even when the guest has ended.
        if outbox.poll_delivery(cx).is_pending() || !has_ended {
            return Poll::Pending;
        }
        outbox.send();
        Poll::Ready(Ok(()))
    })
    .await
}

/// A response between the guest and whoever waits for it.
struct Outbox(Mutex<Stage>);

enum Stage {
    Empty(oneshot::Sender<GuestResponse>),
    Collecting(Box<Collecting>),
    /// The other end tells by its fate what became of the body.
    Sent(oneshot::Receiver<()>),
    Delivered,
}

/// A response that may turn out to be complete in this very moment.
struct Collecting {
    sender: oneshot::Sender<GuestResponse>,
    head: response::Parts,
    body: Outgoing,
}

impl Outbox {
    fn new(sender: oneshot::Sender<GuestResponse>) -> Self {
        Self(Mutex::new(Stage::Empty(sender)))
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // A stage is replaced in one step, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, response: Response<WasiBody>, delivered: oneshot::Sender<Result<(), Error>>) {
        let mut stage = self.lock();
        if let Stage::Empty(sender) = std::mem::replace(&mut *stage, Stage::Delivered) {
            let (head, body) = response.into_parts();
            let body = Outgoing::new(body, delivered);
            *stage = Stage::Collecting(Box::new(Collecting { sender, head, body }));
        }
    }

    /// Ready once nobody will ask for more of the body. Collects what is there of one that is not on its way yet.
    fn poll_delivery(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::Empty(_) => Poll::Pending,
            Stage::Collecting(collecting) => {
                if collecting.body.poll_collect(cx) {
                    return Poll::Ready(());
                }
                let is_full = collecting.body.size > LARGEST_COLLECTION;
                drop(stage);
                if is_full {
                    self.send();
                    return self.poll_delivery(cx);
                }
                Poll::Pending
            }
            Stage::Sent(gone) => {
                std::task::ready!(Pin::new(gone).poll(cx)).ok();
                *stage = Stage::Delivered;
                Poll::Ready(())
            }
            Stage::Delivered => Poll::Ready(()),
        }
    }

    fn is_collecting(&self) -> bool {
        matches!(&*self.lock(), Stage::Collecting(_))
    }

    fn is_delivered(&self) -> bool {
        matches!(&*self.lock(), Stage::Delivered)
    }

    /// Sends what has been collected, if it is not on its way yet.
    fn send(&self) {
        let mut stage = self.lock();
        if !matches!(&*stage, Stage::Collecting(_)) {
            return;
        }
        let (going, gone) = oneshot::channel();
        if let Stage::Collecting(collecting) = std::mem::replace(&mut *stage, Stage::Sent(gone)) {
            let Collecting { sender, head, mut body } = *collecting;
            body._gone = Some(going);
            // Nobody waits any more: the client has gone, and the guest is about to be ended.
            _ = sender.send(Ok(Response::from_parts(head, body.boxed_unsync())));
        }
    }
}

/// A guest's body, of which some may have been collected already.
struct Outgoing {
    first: VecDeque<Frame<Bytes>>,
    /// Bytes that have been collected.
    size: usize,
    rest: Rest,
    /// Bytes that are still to be sent, if the head has promised a number.
    left: Option<u64>,
    /// Tells the guest what became of it.
    delivered: Option<oneshot::Sender<Result<(), Error>>>,
    /// Tells the store that its part is done.
    _gone: Option<oneshot::Sender<()>>,
}

/// What comes after the frames that have been collected.
enum Rest {
    Open(WasiBody),
    Ended,
    /// The reason, until it has been told.
    Failed(Option<Error>),
}

impl Outgoing {
    fn new(body: WasiBody, delivered: oneshot::Sender<Result<(), Error>>) -> Self {
        let left = body.size_hint().exact();
        let rest = Rest::Open(body);
        Self { first: VecDeque::new(), size: 0, rest, left, delivered: Some(delivered), _gone: None }
    }

    /// Collects what is there without waiting. Returns whether that is all there will be.
    fn poll_collect(&mut self, cx: &mut Context<'_>) -> bool {
        while self.size <= LARGEST_COLLECTION {
            let Rest::Open(body) = &mut self.rest else { return true };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.size += frame.data_ref().map_or(0, Bytes::len);
                    self.first.push_back(frame);
                }
                Poll::Ready(Some(Err(err))) => self.fail(Some(err)),
                Poll::Ready(None) => self.end(),
                Poll::Pending => break,
            }
        }
        false
    }

    fn fail(&mut self, err: Option<Error>) {
        self.rest = Rest::Failed(err);
        self.tell(Err(Error::HttpResponseIncomplete));
    }

    fn end(&mut self) {
        self.rest = Rest::Ended;
        self.tell(Ok(()));
    }

    fn tell(&mut self, result: Result<(), Error>) {
        if let Some(delivered) = self.delivered.take() {
            // A guest that has not asked does not hear of it.
            _ = delivered.send(result);
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = match (this.first.pop_front(), &mut this.rest) {
            (Some(frame), _) => Some(Ok(frame)),
            (None, Rest::Open(body)) => std::task::ready!(Pin::new(body).poll_frame(cx)),
            (None, Rest::Ended) => None,
            (None, Rest::Failed(err)) => Some(Err(err.take().unwrap_or(Error::HttpResponseIncomplete))),
        };
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.left = this.left.map(|left| left.saturating_sub(bytes as u64));
            }
            Some(Err(_)) => this.fail(None),
            None => this.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty()
            && match &self.rest {
                Rest::Open(body) => body.is_end_stream(),
                Rest::Ended => true,
                Rest::Failed(_) => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Open(body) if self.first.is_empty() => body.size_hint(),
            // A length in the head would leave no place for trailers.
            Rest::Ended if self.first.iter().all(Frame::is_data) => {
                SizeHint::with_exact(self.first.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum())
            }
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Outgoing {
    /// A connection does not ask for the end of a body whose end it knows.
    fn drop(&mut self) {
        let is_complete = self.left == Some(0) || self.is_end_stream();
        self.tell(if is_complete { Ok(()) } else { Err(Error::ConnectionTerminated) });
    }
}
