//! One request and its response: the router's choice, an instance, and the way of the response to its client.
//!
//! Where the guest runs is the business of [`super::guest`].

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

#[cfg(feature = "wasip3")]
use super::concurrent;
use super::connection::{ConnectionInfo, IncomingRequest};
use super::fault::{Fault, Stopped, come_back};
use super::guest::{Guest, GuestResult};
use super::response::{GuestBody, ResponseBody, text};
use super::{RouteError, Routed, Router, authority};
use crate::engine::schedule::Schedule;
use crate::engine::workload::{InFlight, InstanceHandler, ResolvedWorkload};
use crate::host::lazy::{LazyWorkload, NotLoaded};
use crate::host::metrics::RequestOutcome;

/// A workload that stops between being chosen and being joined has been replaced already, unless the host is stopping.
const ROUTE_ATTEMPTS: usize = 8;

const STOPPING: &str = "the workload is stopping";

pub(super) type GuestResponse = Result<Response<HyperOutgoingBody>, ErrorCode>;

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
    if let Some(response) = connection.own_pages.as_ref().and_then(|pages| pages.answer(&parts, connection.peer)) {
        return response.map(ResponseBody::Own);
    }
    let begun = Instant::now();
    let in_flight = match choose(router, &parts) {
        Ok(Chosen::Joined(in_flight)) => in_flight,
        // Most workloads are loaded; those that are not do not make the others' future larger.
        Ok(Chosen::Lazy(workload)) => match Box::pin(load(&workload, begun)).await {
            Ok(in_flight) => in_flight,
            Err(response) => return response,
        },
        Err(err) => return text(err.status(), &err.to_string()),
    };
    let workload = Arc::clone(in_flight.workload());
    let observed = workload.http().observer.as_ref().map(|observer| observer.begin(&workload, &parts));
    let trace = observed.as_ref().map(|observed| observed.propagate()).filter(|trace| !trace.is_empty());
    let (outcome, mut response) = match run(in_flight, Request::from_parts(parts, body), begun, trace).await {
        Ok(response) => (RequestOutcome::of_status(response.status()), response),
        Err(fault) => (fault.outcome(), fault.into_response(workload.id())),
    };
    workload.metrics().record(outcome, begun.elapsed());
    if let Some(mut observed) = observed {
        observed.respond(response.headers_mut());
        observed.end(outcome, response.status());
    }
    response
}

/// Who answers a request.
enum Chosen {
    /// The workload, which has been joined.
    Joined(InFlight),
    /// One that may have to be loaded first.
    Lazy(Arc<LazyWorkload>),
}

fn choose<R: Router>(router: &R, parts: &http::request::Parts) -> Result<Chosen, RouteError> {
    for _ in 0..ROUTE_ATTEMPTS {
        match router.route(parts)? {
            Routed::Loaded(workload) => {
                if let Some(in_flight) = workload.begin() {
                    return Ok(Chosen::Joined(in_flight));
                }
            }
            Routed::Lazy(workload) => return Ok(Chosen::Lazy(workload)),
        }
    }
    Err(RouteError::Unavailable { message: STOPPING.to_string() })
}

/// Joins a workload that is loaded by its requests. The time for loading is part of the request's.
async fn load(workload: &Arc<LazyWorkload>, begun: Instant) -> Result<InFlight, Response<ResponseBody>> {
    let entered = match workload.request_timeout().and_then(|timeout| begun.checked_add(timeout)) {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), workload.enter()).await,
        None => Ok(workload.enter().await),
    };
    let (message, retry_after) = match entered {
        Ok(Ok(in_flight)) => return Ok(in_flight),
        Ok(Err(NotLoaded::Stopped)) => (STOPPING.to_string(), Duration::ZERO),
        Ok(Err(NotLoaded::Failed { error, retry_after })) => {
            (format!("the workload cannot be loaded: {}", error.for_clients()), retry_after)
        }
        // The load goes on, and the next request may find it done.
        Err(_) => ("the workload is still being loaded".to_string(), Duration::ZERO),
    };
    Err(come_back(&message, retry_after))
}

async fn run(
    in_flight: InFlight,
    request: IncomingRequest,
    begun: Instant,
    trace: Option<HeaderMap>,
) -> Result<Response<ResponseBody>, Fault> {
    let workload = Arc::clone(in_flight.workload());
    let schedule = Arc::new(Schedule::since(begun, workload.http().request_timeout));
    let admitted = admit(&workload, &schedule).await?;
    let method = request.method().clone();
    let failed = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = oneshot::channel();
    let task = GuestTask {
        in_flight,
        _admitted: admitted,
        schedule: Arc::clone(&schedule),
        request,
        trace: trace.map(Arc::new),
        sender,
        failed: Arc::clone(&failed),
    };
    let mut guest = Guest::new(workload.linked().engine().clone(), schedule, task.run());
    let response = head(&mut guest, receiver).await?;
    Ok(GuestBody::attach(response, &method, guest, failed, workload.identity()))
}

/// Waits until the component may be invoked once more.
async fn admit(workload: &ResolvedWorkload, schedule: &Schedule) -> Result<Option<OwnedSemaphorePermit>, Fault> {
    let handler = workload.handler().ok_or(Fault::NoHandler)?;
    if let Some(share) = &workload.linked().items[handler.item].cpu_share {
        let debt = share.debt();
        if !debt.is_zero() {
            rest(debt, schedule).await?;
        }
    }
    match workload.handler_admission() {
        Some(gate) if !gate.is_open() => gate.admit_within(schedule).await.map_err(|_| Fault::Busy),
        _ => Ok(None),
    }
}

/// Waits until the component may compute again, if the request still has time then.
async fn rest(debt: Duration, schedule: &Schedule) -> Result<(), Fault> {
    let rested = Instant::now() + debt;
    match schedule.deadline() {
        Some(deadline) if deadline < rested => {
            tokio::time::sleep_until(deadline.into()).await;
            Err(Fault::Busy)
        }
        _ => {
            tokio::time::sleep_until(rested.into()).await;
            Ok(())
        }
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

/// All that a guest's run needs.
struct GuestTask {
    in_flight: InFlight,
    _admitted: Option<OwnedSemaphorePermit>,
    schedule: Arc<Schedule>,
    request: IncomingRequest,
    trace: Option<Arc<HeaderMap>>,
    sender: oneshot::Sender<GuestResponse>,
    failed: Arc<AtomicBool>,
}

impl GuestTask {
    async fn run(self) -> GuestResult {
        let Self { in_flight, _admitted, schedule, request, trace, sender, failed } = self;
        let workload = in_flight.workload();
        let cancelled = std::pin::pin!(workload.cancelled());
        let call = std::pin::pin!(call(workload, schedule, (request, trace), sender, &failed));
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
    (request, trace): (IncomingRequest, Option<Arc<HeaderMap>>),
    sender: oneshot::Sender<GuestResponse>,
    failed: &AtomicBool,
) -> GuestResult {
    let result = async {
        let mut instance = workload.take_instance(schedule).await?;
        instance.store.data_mut().set_trace(trace);
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
