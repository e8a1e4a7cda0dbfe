//! One request and its response: the router's choice, an instance, and what to say when that fails.
//!
//! Where the guest runs is the business of [`super::guest`].

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Instant;

use futures_util::future::{Either, select};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Sleep;
use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

#[cfg(feature = "wasip3")]
use super::concurrent;
use super::connection::{ConnectionInfo, IncomingRequest};
use super::guest::{Guest, GuestResult};
use super::response::{GuestBody, ResponseBody, text};
use super::{RouteError, Router, authority};
use crate::engine::schedule::{DeadlineExceeded, Schedule};
use crate::engine::workload::{InFlight, InstanceHandler, ResolvedWorkload};
use crate::host::metrics::RequestOutcome;

/// A workload that stops between being chosen and being joined has been replaced already, unless the host is stopping.
const ROUTE_ATTEMPTS: usize = 8;

pub(super) type GuestResponse = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Why a guest gave no response.
enum Fault {
    /// It trapped, exited, or could not be started.
    Failed(wasmtime::Error),
    /// It answered with an error instead of a response.
    Refused(String),
    /// It returned without a response.
    Silent,
    /// It was ended because its workload stopped.
    Stopped,
    /// The host's own code panicked on its behalf.
    Panicked,
    /// It took longer than it may.
    Overdue(DeadlineExceeded),
    /// As many of its kind run as may run, and the line is full.
    Busy,
    /// The workload has no component for requests.
    NoHandler,
}

/// Answers a request; every failure becomes a response as well.
pub(super) async fn answer<R: Router>(
    router: &R,
    connection: &ConnectionInfo,
    request: IncomingRequest,
) -> Response<ResponseBody> {
    let (mut parts, body) = request.into_parts();
    if let Err(err) = authority::complete(&mut parts, connection) {
        return text(StatusCode::BAD_REQUEST, &err.to_string());
    }
    let in_flight = match choose(router, &parts) {
        Ok(in_flight) => in_flight,
        Err(err) => return text(err.status(), &err.to_string()),
    };
    let begun = Instant::now();
    let workload = Arc::clone(in_flight.workload());
    let observed = workload.http().observer.as_ref().map(|observer| observer.begin(&workload, &parts));
    let (outcome, response) = match run(in_flight, Request::from_parts(parts, body)).await {
        Ok(response) => (RequestOutcome::of_status(response.status()), response),
        Err(fault) => (fault.outcome(), fault.into_response(workload.id())),
    };
    workload.metrics().record(outcome, begun.elapsed());
    if let Some(observed) = observed {
        observed.end(outcome, response.status());
    }
    response
}

fn choose<R: Router>(router: &R, parts: &http::request::Parts) -> Result<InFlight, RouteError> {
    for _ in 0..ROUTE_ATTEMPTS {
        if let Some(in_flight) = router.route(parts)?.begin() {
            return Ok(in_flight);
        }
    }
    Err(RouteError::Unavailable { message: "the workload is stopping".to_string() })
}

async fn run(in_flight: InFlight, request: IncomingRequest) -> Result<Response<ResponseBody>, Fault> {
    let workload = Arc::clone(in_flight.workload());
    let admitted = admit(&workload).await?;
    let method = request.method().clone();
    let schedule = Arc::new(Schedule::new(workload.http().request_timeout));
    let failed = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = oneshot::channel();
    let task = GuestTask {
        in_flight,
        _admitted: admitted,
        schedule: Arc::clone(&schedule),
        request,
        sender,
        failed: Arc::clone(&failed),
    };
    let mut guest = Guest::new(workload.linked().engine().clone(), schedule, task.run());
    let response = head(&mut guest, receiver).await?;
    Ok(GuestBody::attach(response, &method, guest, failed))
}

/// Waits until the component may be invoked once more.
async fn admit(workload: &ResolvedWorkload) -> Result<Option<OwnedSemaphorePermit>, Fault> {
    let handler = workload.handler().ok_or(Fault::NoHandler)?;
    if let Some(share) = &workload.linked().items[handler.item].cpu_share {
        let debt = share.debt();
        if !debt.is_zero() {
            tokio::time::sleep(debt).await;
        }
    }
    match workload.handler_admission() {
        Some(gate) if !gate.is_open() => gate.admit().await.map_err(|_| Fault::Busy),
        _ => Ok(None),
    }
}

/// Drives the guest until it has given a response.
async fn head(
    guest: &mut Guest,
    mut receiver: oneshot::Receiver<GuestResponse>,
) -> Result<Response<HyperOutgoingBody>, Fault> {
    let mut overdue: Option<Pin<Box<Sleep>>> = None;
    let mut given_up = false;
    poll_fn(|cx| {
        let ended = guest.poll(cx);
        // The response may have come in the same moment in which the guest ended. Once the guest has given up its right
        // to respond, nothing more comes; a guest on another thread takes a while from there to its end.
        if !given_up {
            match Pin::new(&mut receiver).poll(cx) {
                Poll::Ready(Ok(Ok(response))) => return Poll::Ready(Ok(response)),
                Poll::Ready(Ok(Err(code))) => return Poll::Ready(Err(Fault::Refused(format!("{code:?}")))),
                Poll::Ready(Err(_)) => given_up = true,
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(result) = ended {
            return Poll::Ready(Err(Fault::of(result)));
        }
        if overdue.is_none() {
            overdue = guest.schedule().deadline().map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        }
        match &mut overdue {
            Some(overdue) => overdue.as_mut().poll(cx).map(|()| Err(Fault::Overdue(guest.schedule().exceeded()))),
            None => Poll::Pending,
        }
    })
    .await
}

/// The workload stopped and had no patience left.
#[derive(Debug, thiserror::Error)]
#[error("the workload has stopped")]
struct Stopped;

/// All that a guest's run needs.
struct GuestTask {
    in_flight: InFlight,
    _admitted: Option<OwnedSemaphorePermit>,
    schedule: Arc<Schedule>,
    request: IncomingRequest,
    sender: oneshot::Sender<GuestResponse>,
    failed: Arc<AtomicBool>,
}

impl GuestTask {
    async fn run(self) -> GuestResult {
        let Self { in_flight, _admitted, schedule, request, sender, failed } = self;
        let workload = in_flight.workload();
        let cancelled = std::pin::pin!(workload.cancelled());
        let call = std::pin::pin!(call(workload, schedule, request, sender, &failed));
        match select(call, cancelled).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => {
                failed.store(true, Ordering::Release);
                Err(Stopped.into())
            }
        }
    }
}

/// Hands the request to an instance, and keeps the instance for the next one where the workload allows it.
async fn call(
    workload: &ResolvedWorkload,
    schedule: Arc<Schedule>,
    request: IncomingRequest,
    sender: oneshot::Sender<GuestResponse>,
    failed: &AtomicBool,
) -> GuestResult {
    let result = async {
        let mut instance = workload.take_instance(schedule).await?;
        let called = match &instance.handler {
            InstanceHandler::Proxy(proxy) => {
                let mut view = instance.store.data_mut().http();
                let is_https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
                let scheme = if is_https { Scheme::Https } else { Scheme::Http };
                let request = view.new_incoming_request(scheme, request)?;
                let outparam = view.new_response_outparam(sender)?;
                proxy.wasi_http_incoming_handler().call_handle(&mut instance.store, request, outparam).await
            }
            #[cfg(feature = "wasip3")]
            InstanceHandler::Service(service) => concurrent::call(service, &mut instance.store, request, sender).await,
        };
        match called {
            Ok(()) => {
                workload.give_back(instance);
                Ok(())
            }
            Err(err) => {
                // Before the store is dropped, which ends the body that a response may have already.
                failed.store(true, Ordering::Release);
                Err(err)
            }
        }
    }
    .await;
    if let Err(err) = &result {
        failed.store(true, Ordering::Release);
        tracing::error!(workload_id = workload.id(), workload = workload.name(), "a request failed: {err:?}");
    }
    result
}

impl Fault {
    /// Why a guest that has ended gave no response.
    fn of(result: Option<GuestResult>) -> Self {
        match result {
            Some(Ok(())) => Self::Silent,
            Some(Err(err)) if err.is::<Stopped>() => Self::Stopped,
            #[cfg(feature = "wasip3")]
            Some(Err(err)) if err.is::<concurrent::Refused>() => Self::Refused(err.to_string()),
            Some(Err(err)) => match err.downcast::<DeadlineExceeded>() {
                Ok(exceeded) => Self::Overdue(exceeded),
                Err(err) => Self::Failed(err),
            },
            None => Self::Panicked,
        }
    }
}

impl Fault {
    /// What the request counts as.
    fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Failed(err) if err.is::<PoolConcurrencyLimitError>() => RequestOutcome::Rejected,
            Self::Failed(_) | Self::Refused(_) | Self::Silent | Self::Panicked | Self::NoHandler => {
                RequestOutcome::Failed
            }
            Self::Stopped => RequestOutcome::Stopped,
            Self::Overdue(_) => RequestOutcome::TimedOut,
            Self::Busy => RequestOutcome::Rejected,
        }
    }

    fn into_response(self, workload_id: &str) -> Response<ResponseBody> {
        match self {
            Self::Failed(err) if err.is::<PoolConcurrencyLimitError>() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "the host runs as many instances as it can")
            }
            Self::Failed(err) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("the component failed on this request: {}", err.root_cause()),
            ),
            Self::Refused(code) => {
                tracing::error!(workload_id, "a request was answered with an error: {code}");
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &format!("the component answered with an error instead of a response: {code}"),
                )
            }
            Self::Silent => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the component returned without a response to this request")
            }
            Self::Stopped => text(StatusCode::SERVICE_UNAVAILABLE, "the workload stopped during this request"),
            Self::Overdue(exceeded) => {
                text(StatusCode::GATEWAY_TIMEOUT, &format!("the component did not answer: {exceeded}"))
            }
            Self::Busy => {
                let mut response =
                    text(StatusCode::SERVICE_UNAVAILABLE, "the component has as many requests as it may");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
            Self::NoHandler => text(StatusCode::NOT_FOUND, "the workload answers no HTTP requests"),
            Self::Panicked => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the host itself failed on this request; its log says more")
            }
        }
    }
}
