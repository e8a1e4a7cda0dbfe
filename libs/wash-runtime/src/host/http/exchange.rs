//! One request and its response: the router's choice, a fresh instance, and what to say when that fails.
//!
//! It keeps no instance for the next request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use wasmtime::component::Resource;
use wasmtime::{PoolConcurrencyLimitError, Store};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use super::response::{GuestBody, GuestTask, ResponseBody, text};
use super::{RouteError, Router, authority};
use crate::engine::GuestState;
use crate::engine::workload::InFlight;

/// A workload that stops between being chosen and being joined has been replaced already, unless the host is stopping.
const ROUTE_ATTEMPTS: usize = 8;

type GuestResponse = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Why a guest gave no response.
enum Fault {
    /// It trapped, exited, or could not be started.
    Failed(wasmtime::Error),
    /// It answered with an error instead of a response.
    Refused(ErrorCode),
    /// It returned without a response.
    Silent,
    /// It was ended because its workload stopped.
    Stopped,
    /// The host's own code panicked on its behalf.
    Panicked,
}

/// Answers a request; every failure becomes a response as well.
pub(super) async fn answer<R: Router>(
    router: &R,
    local: SocketAddr,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (mut parts, body) = request.into_parts();
    if let Err(err) = authority::complete(&mut parts, local) {
        return text(StatusCode::BAD_REQUEST, &err.to_string());
    }
    let in_flight = match choose(router, &parts) {
        Ok(in_flight) => in_flight,
        Err(err) => return text(StatusCode::SERVICE_UNAVAILABLE, &err.to_string()),
    };
    let id = in_flight.workload().id().to_string();
    run(in_flight, Request::from_parts(parts, body)).await.unwrap_or_else(|fault| fault.into_response(&id))
}

fn choose<R: Router>(router: &R, parts: &http::request::Parts) -> Result<InFlight, RouteError> {
    for _ in 0..ROUTE_ATTEMPTS {
        if let Some(in_flight) = router.route(parts)?.begin() {
            return Ok(in_flight);
        }
    }
    Err(RouteError::Unavailable { message: "the workload is stopping".to_string() })
}

async fn run(in_flight: InFlight, request: Request<Incoming>) -> Result<Response<ResponseBody>, Fault> {
    let method = request.method().clone();
    let mut store = in_flight.workload().new_store();
    let (sender, receiver) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request).map_err(Fault::Failed)?;
    let outparam = http.new_response_outparam(sender).map_err(Fault::Failed)?;
    let failed = Arc::new(AtomicBool::new(false));
    let guest = tokio::spawn(run_guest(in_flight, store, request, outparam, Arc::clone(&failed)));
    let guest = GuestTask::new(guest);
    respond(receiver.await, method, guest, failed).await
}

async fn respond(
    answer: Result<GuestResponse, oneshot::error::RecvError>,
    method: http::Method,
    guest: GuestTask<wasmtime::Result<()>>,
    failed: Arc<AtomicBool>,
) -> Result<Response<ResponseBody>, Fault> {
    match answer {
        Ok(Ok(response)) => Ok(GuestBody::attach(response, &method, guest, failed)),
        Ok(Err(code)) => Err(Fault::Refused(code)),
        // The store, and with it the place for the response, is gone: the guest has ended.
        Err(_) => match guest.finished().await {
            Some(Ok(())) => Err(Fault::Silent),
            Some(Err(err)) if err.is::<Stopped>() => Err(Fault::Stopped),
            Some(Err(err)) => Err(Fault::Failed(err)),
            None => Err(Fault::Panicked),
        },
    }
}

/// The workload stopped and had no patience left.
#[derive(Debug, thiserror::Error)]
#[error("the workload has stopped")]
struct Stopped;

async fn run_guest(
    in_flight: InFlight,
    mut store: Store<GuestState>,
    request: Resource<HostIncomingRequest>,
    outparam: Resource<HostResponseOutparam>,
    failed: Arc<AtomicBool>,
) -> wasmtime::Result<()> {
    let workload = in_flight.workload();
    let result = tokio::select! {
        result = async {
            let proxy = workload.component().instantiate_async(&mut store).await?;
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, outparam).await
        } => result,
        () = workload.cancelled() => Err(Stopped.into()),
    };
    if let Err(err) = &result {
        // Before the store is dropped, which ends the body that a response may have already.
        failed.store(true, Ordering::Release);
        tracing::error!(workload_id = workload.id(), workload = workload.name(), "a request failed: {err:?}");
    }
    drop(store);
    result
}

impl Fault {
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
                tracing::error!(workload_id, "a request was answered with an error: {code:?}");
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &format!("the component answered with an error instead of a response: {code:?}"),
                )
            }
            Self::Silent => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the component returned without a response to this request")
            }
            Self::Stopped => text(StatusCode::SERVICE_UNAVAILABLE, "the workload stopped during this request"),
            Self::Panicked => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the host itself failed on this request; its log says more")
            }
        }
    }
}
