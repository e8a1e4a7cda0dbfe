//! Why a request got no response from its guest, and what its client is told instead.
//!
//! It decides nothing about the guest; that has ended, or is about to.

use std::time::Duration;

use super::guest::GuestResult;
use super::response::{ResponseBody, text};
use crate::engine::schedule::DeadlineExceeded;
use crate::engine::service_calls::ServiceCallError;
use crate::engine::{Busy, has_no_place};
use crate::host::metrics::RequestOutcome;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

/// Why a guest gave no response.
pub(super) enum Fault {
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

/// The workload stopped and had no patience left.
#[derive(Debug, thiserror::Error)]
#[error("the workload has stopped")]
pub(super) struct Stopped;

/// Whether the guest only came at the wrong moment.
fn is_temporary(err: &wasmtime::Error) -> bool {
    err.is::<Busy>() || err.downcast_ref().is_some_and(ServiceCallError::is_temporary)
}

/// A refusal that a later request need not meet.
pub(super) fn come_back(message: &str, after: Duration) -> Response<ResponseBody> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, message);
    let seconds = after.as_millis().div_ceil(1000).max(1);
    // Digits are always a valid value.
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

impl Fault {
    /// Why a guest that has ended gave no response.
    pub(super) fn of(result: Option<GuestResult>) -> Self {
        match result {
            Some(Ok(())) => Self::Silent,
            Some(Err(err)) if err.is::<Stopped>() => Self::Stopped,
            #[cfg(feature = "wasip3")]
            Some(Err(err)) if err.is::<super::concurrent::Refused>() => Self::Refused(err.to_string()),
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
    pub(super) fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Failed(err) if has_no_place(err) => RequestOutcome::Rejected,
            Self::Failed(_) | Self::Refused(_) | Self::Silent | Self::Panicked | Self::NoHandler => {
                RequestOutcome::Failed
            }
            Self::Stopped => RequestOutcome::Stopped,
            Self::Overdue(_) => RequestOutcome::TimedOut,
            Self::Busy => RequestOutcome::Rejected,
        }
    }

    pub(super) fn into_response(self, workload_id: &str) -> Response<ResponseBody> {
        match self {
            Self::Failed(err) if has_no_place(&err) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "the host runs as many instances as it can")
            }
            Self::Failed(err) if is_temporary(&err) => come_back(&err.root_cause().to_string(), Duration::ZERO),
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
            Self::Busy => come_back(&Busy.to_string(), Duration::ZERO),
            Self::NoHandler => text(StatusCode::NOT_FOUND, "the workload answers no HTTP requests"),
            Self::Panicked => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the host itself failed on this request; its log says more")
            }
        }
    }
}
