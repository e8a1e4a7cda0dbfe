//! The host's HTTP side: what receives requests, and how they find their workload.
//!
//! It trusts no forwarding header.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::workload::ResolvedWorkload;
use crate::host::lazy::LazyWorkload;
use crate::types::Workload;

mod acceptor;
mod authority;
#[cfg(feature = "wasip3")]
mod concurrent;
mod connection;
mod control;
mod dynamic_router;
mod exchange;
mod fault;
mod guest;
mod host_name;
mod limits;
mod observer;
mod own_pages;
mod request_body;
mod response;
mod response_body;
mod router;
mod server;
pub(crate) mod settings;
mod stream;
mod streams;
mod tls;
mod worker;

pub use dynamic_router::DynamicRouter;
pub use host_name::InvalidHost;
pub use observer::{ObservedRequest, RequestObserver};
pub use own_pages::{OwnBody, OwnPages};
pub use router::{DevRouter, RouteError, Routed, Router};
pub use server::{BindError, HttpServer, ServeError};
pub use settings::SETTINGS;
pub use tls::{TlsConfig, TlsError};

/// What receives requests for a host's workloads.
#[async_trait]
pub trait HostHandler: Send + Sync + 'static {
    /// Begins to receive requests. Called once, when the host starts.
    ///
    /// # Errors
    /// Whatever keeps it from receiving.
    async fn start(&self) -> anyhow::Result<()>;

    /// Receives no more requests and lets those in flight finish; what is left after `patience` is cut off.
    ///
    /// # Errors
    /// Whatever keeps it from stopping.
    async fn stop(&self, patience: Duration) -> anyhow::Result<()>;

    /// Where it receives requests, if that is an address.
    fn addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether it receives requests now: it has been started and has not been told to stop.
    fn is_serving(&self) -> bool {
        true
    }

    /// The workload is about to start; [`Self::on_workload_resolved`] or [`Self::on_workload_unbind`] follows.
    ///
    /// # Errors
    /// Why it can get no requests; the workload is then not started.
    fn on_workload_starting(&self, workload_id: &str, workload: &Workload) -> anyhow::Result<()> {
        _ = (workload_id, workload);
        Ok(())
    }

    /// From now on the workload may get requests.
    ///
    /// # Errors
    /// Why it cannot get any; the workload is then not started.
    fn on_workload_resolved(&self, workload: Arc<ResolvedWorkload>) -> anyhow::Result<()>;

    /// From now on the workload may get requests, and is loaded when one wants it.
    ///
    /// # Errors
    /// Why it cannot get any; the workload is then not registered. By default, that all workloads have to be loaded.
    fn on_workload_registered(&self, workload: Arc<LazyWorkload>) -> anyhow::Result<()> {
        anyhow::bail!(
            "`{}` cannot be loaded by its requests: they do not come through this host's own server",
            workload.id()
        )
    }

    /// From now on the workload gets no new requests.
    fn on_workload_unbind(&self, workload_id: &str);

    /// The port on which it receives requests, if there is one.
    fn port(&self) -> Option<u16> {
        None
    }
}
