//! One workload takes the place of another: a new version of it, with nothing lost in between.
//!
//! Unlike a start and a stop, it lets a service go on whose own code and surroundings are the same, and it waits for a
//! new service before requests come that depend on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::Host;
use super::events::HostEvent;
use super::metrics::WorkloadMetrics;
use super::registry::{Active, Entry};
use super::running::Running;
use super::service::ServiceTask;
use super::start::{Resolved, ServiceTerms, StartError};
use crate::engine::linked::Linked;
use crate::engine::sockets::VirtualNetwork;
use crate::engine::workload::{ResolvedWorkload, SERVICE_ID};
use crate::types::WorkloadStartRequest;

/// How long a new service may take to listen on the ports that the old one listened on.
const LISTEN_PATIENCE: Duration = Duration::from_secs(2);

/// How long a service is given to listen somewhere, where nobody knows whether it will.
const HEAD_START: Duration = Duration::from_millis(200);

/// What became of the workload's service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ServiceFate {
    /// There is none.
    None,
    /// It was not touched, and goes on.
    Kept,
    /// It has been started; the old one, if there was one, ends with the old workload.
    Started,
}

/// How a workload came into its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Replacement {
    /// What became of the service.
    pub service: ServiceFate,
}

impl Host {
    /// Starts a workload in the place of another one, or in an empty place. New requests go to the new one at once, and
    /// those in flight finish on the old one, which the caller then stops: until it does, it takes no requests, but
    /// exists. Its service goes on in the new workload if nothing about it has changed.
    ///
    /// # Errors
    /// As for [`super::HostApi::workload_start`]. The old workload is then as it was. A service that fails at its start
    /// is an error too.
    pub async fn workload_replace(
        &self,
        old_id: Option<&str>,
        request: WorkloadStartRequest,
    ) -> anyhow::Result<Replacement> {
        let workload_id = request.workload_id.clone();
        let replaced = self.try_replace(old_id, request).await;
        if let Err(err) = &replaced {
            _ = self.events.send(HostEvent::WorkloadFailed { workload_id, reason: format!("{err:#}") });
        }
        replaced
    }

    async fn try_replace(&self, old_id: Option<&str>, request: WorkloadStartRequest) -> anyhow::Result<Replacement> {
        let old = old_id.map(|id| self.running(id)).transpose()?;
        let workload_id = request.workload_id.clone();
        let max_restarts = request.workload.service.as_ref().map_or(0, |service| service.max_restarts);
        let service_terms = ServiceTerms::of(&request.workload).map(Arc::new);
        let reservation = self.reserve(&workload_id)?;
        if let Some(handler) = &self.http_handler {
            handler.on_workload_starting(&workload_id, &request.workload)?;
        }
        let predecessor = old.as_ref().and_then(|old| old.predecessor());
        let metrics = Arc::<WorkloadMetrics>::default();
        let Resolved { workload, bound, keeps_service } =
            self.resolver.resolve(request, metrics, predecessor.as_ref()).await?;
        let kept = if keeps_service { old.as_ref().and_then(|old| old.take_service()) } else { None };
        let fate = match (&kept, workload.linked().service()) {
            (Some(_), _) => ServiceFate::Kept,
            (None, Some(_)) => ServiceFate::Started,
            (None, None) => ServiceFate::None,
        };
        let ports = old.as_ref().map(|old| old.workload().linked().network.listening_ports()).unwrap_or_default();
        let service = match (kept, workload.linked().service()) {
            (Some(kept), _) => Ok(Some(kept)),
            (None, Some(item)) => self.started_service(workload.linked(), item, max_restarts, &ports).await.map(Some),
            (None, None) => Ok(None),
        };
        let service = match service {
            Ok(service) => service,
            Err(err) => {
                bound.unbind().await;
                return Err(err.into());
            }
        };
        if let Err(err) = self.route(&workload) {
            self.give_back(old.as_deref(), fate, service).await;
            bound.unbind().await;
            return Err(err);
        }
        workload.linked().take_over();
        if let Some(old) = &old {
            old.supersede();
        }
        let running = Running::new(workload, bound, service, service_terms);
        if let Err(active) = reservation.fulfil(Active::Running(Arc::clone(&running)), &self.events) {
            self.retire(active, Duration::ZERO).await;
            return Err(StartError::HostStopped.into());
        }
        // A service that is at work has begun already.
        running.begin();
        Ok(Replacement { service: fate })
    }

    fn running(&self, workload_id: &str) -> Result<Arc<Running>, StartError> {
        match self.registry().workloads.get(workload_id) {
            Some(Entry::Active(Active::Running(running))) => Ok(Arc::clone(running)),
            _ => Err(StartError::NotRunning { workload_id: workload_id.to_string() }),
        }
    }

    fn route(&self, workload: &Arc<ResolvedWorkload>) -> anyhow::Result<()> {
        match &self.http_handler {
            Some(handler) if workload.handles_http() => handler.on_workload_resolved(Arc::clone(workload)),
            _ => Ok(()),
        }
    }

    /// Undoes what was done about a service for a workload that could not be routed to.
    async fn give_back(&self, old: Option<&Running>, fate: ServiceFate, service: Option<ServiceTask>) {
        match (old, service) {
            (Some(old), Some(service)) if fate == ServiceFate::Kept => old.give_back(service),
            (_, Some(service)) => service.end().await,
            (_, None) => {}
        }
    }

    /// Starts a workload's service, and waits until it does for others what the one before did.
    async fn started_service(
        &self,
        linked: &Arc<Linked>,
        item: usize,
        max_restarts: u64,
        ports: &BTreeSet<u16>,
    ) -> Result<ServiceTask, StartError> {
        let mut events = self.events.subscribe();
        let mut service = ServiceTask::prepare(Arc::clone(linked), item, max_restarts, self.events.clone());
        service.begin();
        match await_service(&mut events, &linked.identity.id, &linked.network, ports).await {
            Ok(()) => Ok(service),
            Err(reason) => {
                service.end().await;
                Err(StartError::Start { component: SERVICE_ID.to_string(), source: reason.into() })
            }
        }
    }
}

/// Waits until a service listens on these ports or, where there are none, on any; until it has finished; or for a while.
/// The error is why it has failed.
async fn await_service(
    events: &mut Receiver<HostEvent>,
    workload_id: &str,
    network: &VirtualNetwork,
    ports: &BTreeSet<u16>,
) -> Result<(), String> {
    let patience = if ports.is_empty() { HEAD_START } else { LISTEN_PATIENCE };
    let end = Instant::now() + patience;
    loop {
        let listens = network.listens();
        let listening = network.listening_ports();
        let is_up = if ports.is_empty() { !listening.is_empty() } else { ports.is_subset(&listening) };
        if is_up {
            return Ok(());
        }
        tokio::select! {
            () = listens => {}
            event = events.recv() => match event {
                Ok(HostEvent::ServiceRestarting { workload_id: id, reason, .. } | HostEvent::ServiceFailed { workload_id: id, reason })
                    if id == workload_id => return Err(reason),
                Ok(HostEvent::ServiceCompleted { workload_id: id }) if id == workload_id => return Ok(()),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}
