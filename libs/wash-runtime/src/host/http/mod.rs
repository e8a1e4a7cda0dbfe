//! The host's HTTP side: what receives requests, and how they find their workload.
//!
//! It ends no TLS and trusts no forwarding header.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::workload::ResolvedWorkload;

mod authority;
mod connection;
mod exchange;
mod guest;
mod response;
mod router;
mod server;

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
