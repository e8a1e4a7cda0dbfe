//! What can be asked of a running host: the operations that a control plane asks for, as a trait.
//!
//! How workloads start and end is in the modules beside it.

use async_trait::async_trait;
use thiserror::Error;

use super::events::HostEvent;
use super::registry::Entry;
use super::{Host, heartbeat};
use crate::types::{
    HostHeartbeat, WorkloadStartRequest, WorkloadStartResponse, WorkloadState, WorkloadStatus, WorkloadStatusRequest,
    WorkloadStatusResponse, WorkloadStopRequest, WorkloadStopResponse,
};

/// Why a workload could not be stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StopError {
    /// The workload is still starting; stop it once its start has returned.
    #[error("workload `{workload_id}` is still starting")]
    Starting {
        /// The id of the request.
        workload_id: String,
    },
}

/// What can be asked of a running host.
#[async_trait]
pub trait HostApi {
    /// Compiles the workload's component, proves that it starts, and only then sends it requests. A failure leaves
    /// the host and its other workloads as they were.
    ///
    /// # Errors
    /// [`super::StartError`], found by `downcast_ref`, or what the HTTP handler says.
    async fn workload_start(&self, request: WorkloadStartRequest) -> anyhow::Result<WorkloadStartResponse>;

    /// Tells a workload's state.
    ///
    /// # Errors
    /// None today: an unknown id is [`WorkloadState::NotFound`].
    async fn workload_status(&self, request: WorkloadStatusRequest) -> anyhow::Result<WorkloadStatusResponse>;

    /// Sends the workload no more requests, waits for those in flight, and removes it. What is still in flight when
    /// the host's patience ends is ended. The stop goes on when the caller no longer waits for it.
    ///
    /// # Errors
    /// [`StopError`], found by `downcast_ref`. An unknown id is [`WorkloadState::NotFound`].
    async fn workload_stop(&self, request: WorkloadStopRequest) -> anyhow::Result<WorkloadStopResponse>;

    /// What the host says of itself and its machine. Measuring how busy the machine is takes about 200 ms.
    ///
    /// # Errors
    /// None today.
    async fn heartbeat(&self) -> anyhow::Result<HostHeartbeat>;
}

#[async_trait]
impl HostApi for Host {
    async fn workload_start(&self, request: WorkloadStartRequest) -> anyhow::Result<WorkloadStartResponse> {
        let workload_id = request.workload_id.clone();
        if let Err(err) = self.start_workload(request).await {
            _ = self.events.send(HostEvent::WorkloadFailed { workload_id, reason: format!("{err:#}") });
            return Err(err);
        }
        let workload_status = status(workload_id, WorkloadState::Running, "the workload is running");
        Ok(WorkloadStartResponse { workload_status })
    }

    async fn workload_status(&self, request: WorkloadStatusRequest) -> anyhow::Result<WorkloadStatusResponse> {
        let (state, message) = match self.registry().workloads.get(&request.workload_id) {
            Some(Entry::Starting) => (WorkloadState::Starting, "the workload is starting".to_string()),
            Some(Entry::Active(active)) => active.state(),
            Some(Entry::Stopping) => (WorkloadState::Stopping, "the workload is finishing its requests".to_string()),
            None => (WorkloadState::NotFound, "no workload has this id".to_string()),
        };
        Ok(WorkloadStatusResponse { workload_status: status(request.workload_id, state, &message) })
    }

    async fn workload_stop(&self, request: WorkloadStopRequest) -> anyhow::Result<WorkloadStopResponse> {
        let workload_id = request.workload_id;
        let taken = self.registry().take(&workload_id);
        let (state, message) = if let Some(workload) = taken {
            self.retire(workload, self.drain_patience).await;
            (WorkloadState::Completed, "the workload has stopped")
        } else {
            match self.registry().workloads.get(&workload_id) {
                Some(Entry::Starting) => return Err(StopError::Starting { workload_id }.into()),
                Some(_) => (WorkloadState::Stopping, "the workload is finishing its requests"),
                None => (WorkloadState::NotFound, "no workload has this id"),
            }
        };
        Ok(WorkloadStopResponse { workload_status: status(workload_id, state, message) })
    }

    async fn heartbeat(&self) -> anyhow::Result<HostHeartbeat> {
        let standing = {
            let registry = self.registry();
            let worlds: Vec<_> = self.resolver.plugins.iter().map(|plugin| plugin.world()).collect();
            heartbeat::Standing {
                id: self.id.clone(),
                friendly_name: self.friendly_name.clone(),
                started_at: self.started_at,
                component_count: registry.active().map(super::registry::Active::items).sum::<usize>() as u64,
                workload_count: registry.active().count() as u64,
                imports: worlds.iter().flat_map(|world| world.imports.iter().cloned()).collect(),
                exports: worlds.iter().flat_map(|world| world.exports.iter().cloned()).collect(),
                http_port: self.http_handler.as_ref().and_then(|handler| handler.port()),
            }
        };
        Ok(tokio::task::spawn_blocking(move || heartbeat::measure(standing)).await?)
    }
}

pub(super) fn status(workload_id: String, workload_state: WorkloadState, message: &str) -> WorkloadStatus {
    WorkloadStatus { workload_id, workload_state, message: message.to_string() }
}
