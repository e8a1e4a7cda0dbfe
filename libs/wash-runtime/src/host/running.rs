//! A workload at work: what a host holds of it while it is loaded, and how all of that ends.
//!
//! Who routes requests to it, and under which id it is listed, is the host's business.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::metrics::WorkloadSnapshot;
use super::registry::locked;
use super::service::{ServiceState, ServiceTask};
use super::start::{BoundPlugins, Predecessor, ServiceTerms};
use crate::engine::workload::ResolvedWorkload;
use crate::types::WorkloadState;

/// A workload at work.
pub(crate) struct Running {
    workload: Arc<ResolvedWorkload>,
    bound: Mutex<Option<BoundPlugins>>,
    service: Mutex<Option<ServiceTask>>,
    service_terms: Option<Arc<ServiceTerms>>,
}

impl Running {
    pub(super) fn new(
        workload: Arc<ResolvedWorkload>,
        bound: BoundPlugins,
        service: Option<ServiceTask>,
        service_terms: Option<Arc<ServiceTerms>>,
    ) -> Arc<Self> {
        Arc::new(Self { workload, bound: Mutex::new(Some(bound)), service: Mutex::new(service), service_terms })
    }

    /// What a workload may inherit from this one: none where there is no service at work.
    pub(super) fn predecessor(&self) -> Option<Predecessor> {
        let terms = Arc::clone(self.service_terms.as_ref()?);
        let failed = matches!(locked(&self.service).as_ref()?.state(), ServiceState::Failed { .. });
        (!failed).then(|| Predecessor::new(Arc::clone(self.workload.linked()), terms))
    }

    /// Takes the service, for the workload that takes this one's place.
    pub(super) fn take_service(&self) -> Option<ServiceTask> {
        locked(&self.service).take()
    }

    /// Undoes that.
    pub(super) fn give_back(&self, service: ServiceTask) {
        *locked(&self.service) = Some(service);
    }

    /// Lets nothing new come: another workload has taken this one's place.
    pub(super) fn supersede(&self) {
        if let Some(bound) = &*locked(&self.bound) {
            bound.superseded();
        }
    }

    pub(crate) fn workload(&self) -> &Arc<ResolvedWorkload> {
        &self.workload
    }

    /// Makes instances in advance, and lets the service run. A stop may have taken it already.
    pub(super) fn begin(&self) {
        self.workload.refill();
        if let Some(service) = &mut *locked(&self.service) {
            service.begin();
        }
    }

    /// Lets requests finish, ends the service, tells the plugins, and frees code and directories, whether or not the
    /// caller keeps waiting. What is in flight when the patience ends is ended.
    pub(super) async fn finish(self: Arc<Self>, patience: Duration) {
        let finished = tokio::spawn(async move {
            let workload = &self.workload;
            let ended = workload.drain(patience).await;
            if ended > 0 {
                tracing::warn!(workload_id = workload.id(), "ended {ended} requests that did not finish in time");
            }
            let service = locked(&self.service).take();
            if let Some(service) = service {
                service.end().await;
            }
            let bound = locked(&self.bound).take();
            if let Some(bound) = bound {
                bound.unbind().await;
            }
            // Unmapping machine code and removing directories takes a while and must not hold up requests.
            _ = tokio::task::spawn_blocking(move || drop(self)).await;
        });
        if let Err(err) = finished.await {
            tracing::error!("stopping a workload failed: {err}");
        }
    }

    pub(super) fn snapshot(&self) -> WorkloadSnapshot {
        let workload = &self.workload;
        WorkloadSnapshot {
            workload_id: workload.id().to_string(),
            namespace: workload.namespace().to_string(),
            name: workload.name().to_string(),
            requests: workload.metrics().snapshot(),
            in_flight: workload.requests_in_flight() as u64,
            service_restarts: locked(&self.service).as_ref().map_or(0, ServiceTask::restarts),
        }
    }

    /// What a service's end means for its workload depends on who else is there to work.
    pub(super) fn state(&self) -> (WorkloadState, String) {
        let service = locked(&self.service).as_ref().map(ServiceTask::state);
        let alone = self.workload.linked().items.len() == 1;
        match service {
            Some(ServiceState::Failed { reason }) => (WorkloadState::Error, format!("the service failed: {reason}")),
            Some(ServiceState::Completed) if alone => {
                (WorkloadState::Completed, "the service has finished".to_string())
            }
            Some(ServiceState::Completed) => {
                (WorkloadState::Running, "the components are running, the service has finished".to_string())
            }
            Some(ServiceState::Running) | None => (WorkloadState::Running, "the workload is running".to_string()),
        }
    }
}
