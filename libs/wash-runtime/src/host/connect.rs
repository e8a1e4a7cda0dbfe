//! Connections from the host into a workload's own loopback, such as to a port that its service listens on.
//!
//! Who may come in that way, and from where, is the embedder's business.

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Host;
use super::registry::{Active, Entry};
use crate::engine::sockets::ConnectError;

/// Why there is no connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkloadConnectError {
    /// No such workload is running.
    #[error("no workload with the id `{workload_id}` is running")]
    NotRunning {
        /// The id that was given.
        workload_id: String,
    },
    /// Nobody listens there.
    #[error("nobody in the workload listens on port {port}")]
    Refused {
        /// The port.
        port: u16,
    },
    /// The workload's loopback has no free port for this end.
    #[error("all ports of the workload's loopback are in use")]
    NoFreePort,
}

impl Host {
    /// Connects to a TCP port of a running workload's loopback, IPv4 first. It waits while the listener has more
    /// connections to accept than it takes. The connection ends with the workload, or with the service that took it.
    ///
    /// # Errors
    /// [`WorkloadConnectError`].
    pub async fn workload_connect(
        &self,
        workload_id: &str,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, WorkloadConnectError> {
        let network = match self.registry().workloads.get(workload_id) {
            Some(Entry::Active(Active::Running(running))) => running.workload().linked().network.clone(),
            _ => return Err(WorkloadConnectError::NotRunning { workload_id: workload_id.to_string() }),
        };
        network.connect(port).await.map_err(|err| match err {
            ConnectError::Refused => WorkloadConnectError::Refused { port },
            ConnectError::NoFreePort => WorkloadConnectError::NoFreePort,
        })
    }
}
