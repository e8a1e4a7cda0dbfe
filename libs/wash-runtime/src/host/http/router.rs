//! Which workload answers a request.
//!
//! A router only chooses; counting, running and draining are the workload's and the server's business.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::StatusCode;
use http::request::Parts;
use thiserror::Error;

use crate::engine::workload::ResolvedWorkload;
use crate::host::lazy::LazyWorkload;
use crate::types::Workload;

/// Why no workload answers a request. The text becomes the body of the response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No workload answers here now; the message says why.
    #[error("{message}")]
    Unavailable {
        /// A sentence for whoever sent the request.
        message: String,
    },
    /// The request names no host, which routing needs.
    #[error("the request names no host")]
    MissingHost,
    /// No workload answers for the host.
    #[error("no workload here answers for the host `{host}`")]
    NotFound {
        /// The host as the request names it.
        host: String,
    },
}

impl RouteError {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::MissingHost => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
        }
    }
}

/// A workload that a router has chosen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Routed {
    /// It is ready.
    Loaded(Arc<ResolvedWorkload>),
    /// It is loaded when a request wants it.
    Lazy(Arc<LazyWorkload>),
}

impl Routed {
    /// The workload's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Loaded(workload) => workload.id(),
            Self::Lazy(workload) => workload.id(),
        }
    }

    /// The settings of its `host_interfaces` entry for incoming HTTP requests, if it has one.
    pub fn http_config(&self) -> Option<&HashMap<String, String>> {
        match self {
            Self::Loaded(workload) => workload.http_config(),
            Self::Lazy(workload) => workload.http_config(),
        }
    }
}

/// Chooses the workload for each request.
pub trait Router: Send + Sync + 'static {
    /// The workload is about to start: until it is added or removed, it is known but not ready.
    ///
    /// # Errors
    /// Why it cannot be chosen; the workload is then not started.
    fn announce(&self, workload_id: &str, workload: &Workload) -> anyhow::Result<()> {
        _ = (workload_id, workload);
        Ok(())
    }

    /// From now on the workload may be chosen.
    ///
    /// # Errors
    /// Why it cannot be; the workload is then not started.
    fn add(&self, workload: Routed) -> anyhow::Result<()>;

    /// From now on the workload is not chosen, and no longer known.
    fn remove(&self, workload_id: &str);

    /// The workload for a request. Called for every request, on threads that serve others too: it must not block.
    ///
    /// # Errors
    /// [`RouteError`] where no workload answers it.
    fn route(&self, request: &Parts) -> Result<Routed, RouteError>;
}

/// Sends every request to the workload that was started last; when that stops, to the one before it.
///
/// Clones are handles to the same router, so that an embedder can keep one beside the server's.
#[derive(Clone, Debug)]
pub struct DevRouter {
    routes: Arc<ArcSwap<Routes>>,
}

#[derive(Clone, Debug)]
struct Routes {
    /// In the order of their starts.
    workloads: Vec<Routed>,
    unavailable_message: Arc<str>,
}

impl Default for DevRouter {
    fn default() -> Self {
        let routes = Routes { workloads: Vec::new(), unavailable_message: "no workload is running here".into() };
        Self { routes: Arc::new(ArcSwap::from_pointee(routes)) }
    }
}

impl DevRouter {
    /// What requests are told while no workload is running, for example that the first build has failed.
    pub fn set_unavailable_message(&self, message: impl Into<String>) {
        let message: Arc<str> = message.into().into();
        self.update(|routes| routes.unavailable_message = Arc::clone(&message));
    }

    fn update(&self, change: impl Fn(&mut Routes)) {
        self.routes.rcu(|routes| {
            let mut routes = Routes::clone(routes);
            change(&mut routes);
            routes
        });
    }
}

impl Router for DevRouter {
    fn add(&self, workload: Routed) -> anyhow::Result<()> {
        self.update(|routes| routes.workloads.push(workload.clone()));
        Ok(())
    }

    fn remove(&self, workload_id: &str) {
        self.update(|routes| routes.workloads.retain(|workload| workload.id() != workload_id));
    }

    fn route(&self, _request: &Parts) -> Result<Routed, RouteError> {
        let routes = self.routes.load();
        match routes.workloads.last() {
            Some(workload) => Ok(workload.clone()),
            None => Err(RouteError::Unavailable { message: routes.unavailable_message.to_string() }),
        }
    }
}
