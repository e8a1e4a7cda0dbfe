//! The host's HTTP side: what receives requests, and how they find their workload.
//!
//! It ends no TLS and trusts no forwarding header.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::workload::ResolvedWorkload;
use crate::types::Workload;
use crate::wit::WitInterface;

mod authority;
mod connection;
mod dynamic_router;
mod exchange;
mod guest;
mod host_name;
mod response;
mod router;
mod server;

pub use dynamic_router::DynamicRouter;
pub use host_name::InvalidHost;
pub use router::{DevRouter, RouteError, Router};
pub use server::{BindError, HttpServer};

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

    /// From now on the workload gets no new requests.
    fn on_workload_unbind(&self, workload_id: &str);

    /// The port on which it receives requests, if there is one.
    fn port(&self) -> Option<u16> {
        None
    }
}

/// What a workload says about the requests that it wants: the settings of its first entry that covers them.
pub(crate) fn incoming_config(interfaces: &[WitInterface]) -> Option<&HashMap<String, String>> {
    let covers = |interface: &&WitInterface| {
        interface.namespace == "wasi"
            && interface.package == "http"
            && (interface.interfaces.is_empty()
                || interface.interfaces.contains("incoming-handler")
                || interface.interfaces.contains("handler"))
    };
    interfaces.iter().find(covers).map(|interface| &interface.config)
}
