//! A host: it starts, lists and stops workloads, and passes them the requests that its HTTP handler receives.
//!
//! It knows nothing of clusters, files or registries; whoever embeds it brings the bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use thiserror::Error;

use tokio::sync::broadcast;

use self::events::HostEvent;
use self::http::HostHandler;
use self::metrics::{HostMetrics, WorkloadSnapshot};
use self::service::{ServiceState, ServiceTask};
use self::start::{BoundPlugins, Resolved, Resolver};
use crate::engine::workload::ResolvedWorkload;
use crate::plugin::HostPlugin;
use crate::types::{
    HostHeartbeat, WorkloadStartRequest, WorkloadStartResponse, WorkloadState, WorkloadStatus, WorkloadStatusRequest,
    WorkloadStatusResponse, WorkloadStopRequest, WorkloadStopResponse,
};

mod builder;
pub mod events;
pub mod guest_output;
mod heartbeat;
pub mod http;
pub mod invoke;
pub mod metrics;
mod service;
mod start;

pub use builder::{BuildError, HostBuilder};
pub use start::{ImportProblem, InterfaceNameProblem, StartError};

/// How long a plugin may take to stop.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(3);

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
    /// [`StartError`], found by `downcast_ref`, or what the HTTP handler says.
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

/// A host of workloads.
pub struct Host {
    id: String,
    friendly_name: String,
    started_at: SystemTime,
    http_handler: Option<Arc<dyn HostHandler>>,
    resolver: Resolver,
    drain_patience: Duration,
    events: broadcast::Sender<HostEvent>,
    registry: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    stopped: bool,
    workloads: HashMap<String, Entry>,
}

enum Entry {
    Starting,
    Running(Arc<Running>),
    Stopping,
}

/// A workload at work.
struct Running {
    workload: Arc<ResolvedWorkload>,
    bound: Mutex<Option<BoundPlugins>>,
    service: Mutex<Option<ServiceTask>>,
}

impl Host {
    /// Starts the plugins, and then to answer requests. Until a workload is started, the answer says that there is
    /// none.
    ///
    /// # Errors
    /// What a plugin or the HTTP handler says; plugins that have been started are stopped again.
    pub async fn start(self) -> anyhow::Result<Arc<Self>> {
        for (index, plugin) in self.resolver.plugins.iter().enumerate() {
            if let Err(err) = plugin.start().await {
                stop_plugins(&self.resolver.plugins[..index]).await;
                return Err(err.context(format!("the plugin `{}` does not start", plugin.id())));
            }
        }
        if let Some(handler) = &self.http_handler
            && let Err(err) = handler.start().await
        {
            stop_plugins(&self.resolver.plugins).await;
            return Err(err);
        }
        Ok(Arc::new(self))
    }

    /// The host's id, new with each start.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name for people.
    pub fn friendly_name(&self) -> &str {
        &self.friendly_name
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.events.subscribe()
    }

    /// What the host has counted so far: the workloads that are running, in no particular order.
    pub fn metrics(&self) -> HostMetrics {
        let registry = self.registry();
        let running = registry.workloads.values().filter_map(|entry| match entry {
            Entry::Running(running) => Some(running.snapshot()),
            Entry::Starting | Entry::Stopping => None,
        });
        HostMetrics { workloads: running.collect(), pool: self.resolver.engine.total_pool_usage() }
    }

    /// Accepts no more connections, finishes the requests in flight, and then stops every workload and the plugins.
    /// What is still in flight when the host's patience ends is ended.
    ///
    /// # Errors
    /// What the HTTP handler says.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.registry().stopped = true;
        // The HTTP handler waits for what requests have left behind, and does not know what only waits for more.
        self.resolver.egress.close_idle();
        if let Some(handler) = &self.http_handler {
            handler.stop(self.drain_patience).await?;
        }
        let workloads: Vec<_> = self.registry().workloads.keys().cloned().collect();
        for workload_id in workloads {
            if let Some(workload) = self.take_running(&workload_id) {
                // The server has waited for the responses; a guest may still be at work on what comes after them.
                self.retire(workload, self.drain_patience.saturating_sub(begun.elapsed())).await;
            }
        }
        stop_plugins(&self.resolver.plugins).await;
        Ok(())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        locked(&self.registry)
    }

    /// Claims the id, so that two starts cannot both have it.
    fn reserve(&self, workload_id: &str) -> Result<Reservation, StartError> {
        let mut registry = self.registry();
        if registry.stopped {
            return Err(StartError::HostStopped);
        }
        if registry.workloads.contains_key(workload_id) {
            return Err(StartError::IdInUse { workload_id: workload_id.to_string() });
        }
        registry.workloads.insert(workload_id.to_string(), Entry::Starting);
        Ok(Reservation {
            registry: Arc::clone(&self.registry),
            http_handler: self.http_handler.clone(),
            workload_id: Some(workload_id.to_string()),
        })
    }

    /// Marks a running workload as stopping and hands it over.
    fn take_running(&self, workload_id: &str) -> Option<Arc<Running>> {
        let mut registry = self.registry();
        let entry = registry.workloads.get_mut(workload_id)?;
        if !matches!(entry, Entry::Running(_)) {
            return None;
        }
        match std::mem::replace(entry, Entry::Stopping) {
            Entry::Running(workload) => Some(workload),
            Entry::Starting | Entry::Stopping => None,
        }
    }

    /// Takes the workload out of routing, lets it finish, and forgets it, whether or not the caller keeps waiting.
    async fn retire(&self, running: Arc<Running>, patience: Duration) {
        if let Some(handler) = &self.http_handler {
            handler.on_workload_unbind(running.workload.id());
        }
        let registry = Arc::clone(&self.registry);
        let events = self.events.clone();
        let retired = tokio::spawn(async move {
            let workload = &running.workload;
            let ended = workload.drain(patience).await;
            if ended > 0 {
                tracing::warn!(workload_id = workload.id(), "ended {ended} requests that did not finish in time");
            }
            let service = locked(&running.service).take();
            if let Some(service) = service {
                service.end().await;
            }
            let bound = locked(&running.bound).take();
            if let Some(bound) = bound {
                bound.unbind().await;
            }
            let workload_id = workload.id().to_string();
            // Unmapping machine code and removing directories takes a while and must not hold up requests.
            _ = tokio::task::spawn_blocking(move || drop(running)).await;
            let mut registry = locked(&registry);
            registry.workloads.remove(&workload_id);
            // Before the id can be used again, so that events of two lives are not mixed.
            _ = events.send(HostEvent::WorkloadStopped { workload_id });
        });
        if let Err(err) = retired.await {
            tracing::error!("stopping a workload failed: {err}");
        }
    }

    async fn start_workload(&self, request: WorkloadStartRequest) -> anyhow::Result<()> {
        let workload_id = request.workload_id.clone();
        let max_restarts = request.workload.service.as_ref().map(|service| service.max_restarts);
        let reservation = self.reserve(&workload_id)?;
        if let Some(handler) = &self.http_handler {
            handler.on_workload_starting(&workload_id, &request.workload)?;
        }
        let Resolved { workload, bound } = self.resolver.resolve(request).await?;
        // Routed before it counts as running: a stop that comes in between finds it still starting.
        if let Some(handler) = &self.http_handler
            && workload.handles_http()
            && let Err(err) = handler.on_workload_resolved(Arc::clone(&workload))
        {
            bound.unbind().await;
            return Err(err);
        }
        let service = workload.linked().service().zip(max_restarts).map(|(item, max_restarts)| {
            ServiceTask::prepare(Arc::clone(workload.linked()), item, max_restarts, self.events.clone())
        });
        let running = Running { workload, bound: Mutex::new(Some(bound)), service: Mutex::new(service) };
        let running = Arc::new(running);
        if let Err(running) = reservation.fulfil(Arc::clone(&running), &self.events) {
            self.retire(running, Duration::ZERO).await;
            return Err(StartError::HostStopped.into());
        }
        running.workload.refill();
        // Only now, so that nobody hears of the service before the workload. A stop may have taken it already.
        if let Some(service) = &mut *locked(&running.service) {
            service.begin();
        }
        Ok(())
    }
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
            Some(Entry::Running(running)) => running.state(),
            Some(Entry::Stopping) => (WorkloadState::Stopping, "the workload is finishing its requests".to_string()),
            None => (WorkloadState::NotFound, "no workload has this id".to_string()),
        };
        Ok(WorkloadStatusResponse { workload_status: status(request.workload_id, state, &message) })
    }

    async fn workload_stop(&self, request: WorkloadStopRequest) -> anyhow::Result<WorkloadStopResponse> {
        let workload_id = request.workload_id;
        let (state, message) = if let Some(workload) = self.take_running(&workload_id) {
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
            let running = registry.workloads.values().filter_map(|entry| match entry {
                Entry::Running(running) => Some(running),
                Entry::Starting | Entry::Stopping => None,
            });
            let components: usize = running.clone().map(|running| running.workload.linked().items.len()).sum();
            let worlds: Vec<_> = self.resolver.plugins.iter().map(|plugin| plugin.world()).collect();
            heartbeat::Standing {
                id: self.id.clone(),
                friendly_name: self.friendly_name.clone(),
                started_at: self.started_at,
                component_count: components as u64,
                workload_count: running.count() as u64,
                imports: worlds.iter().flat_map(|world| world.imports.iter().cloned()).collect(),
                exports: worlds.iter().flat_map(|world| world.exports.iter().cloned()).collect(),
                http_port: self.http_handler.as_ref().and_then(|handler| handler.port()),
            }
        };
        Ok(tokio::task::spawn_blocking(move || heartbeat::measure(standing)).await?)
    }
}

impl Running {
    fn snapshot(&self) -> WorkloadSnapshot {
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
    fn state(&self) -> (WorkloadState, String) {
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

async fn stop_plugins(plugins: &[Arc<dyn HostPlugin>]) {
    for plugin in plugins.iter().rev() {
        match tokio::time::timeout(PLUGIN_PATIENCE, plugin.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => tracing::warn!(plugin = plugin.id(), "a plugin failed to stop: {err:#}"),
            Err(_) => tracing::warn!(plugin = plugin.id(), "a plugin did not stop within {PLUGIN_PATIENCE:?}"),
        }
    }
}

/// An id that is claimed for a start in progress; dropped, it is free again, and the HTTP handler forgets it.
struct Reservation {
    registry: Arc<Mutex<Registry>>,
    http_handler: Option<Arc<dyn HostHandler>>,
    workload_id: Option<String>,
}

impl Reservation {
    /// Gives the workload back if the host has stopped meanwhile. The event is sent before anyone can stop the workload.
    fn fulfil(mut self, running: Arc<Running>, events: &broadcast::Sender<HostEvent>) -> Result<(), Arc<Running>> {
        let mut registry = locked(&self.registry);
        if registry.stopped {
            drop(registry);
            return Err(running);
        }
        if let Some(workload_id) = self.workload_id.take() {
            registry.workloads.insert(workload_id.clone(), Entry::Running(running));
            _ = events.send(HostEvent::WorkloadStarted { workload_id });
        }
        drop(registry);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(workload_id) = &self.workload_id {
            // First, so that the next start with this id finds nothing of this one.
            if let Some(handler) = &self.http_handler {
                handler.on_workload_unbind(workload_id);
            }
            locked(&self.registry).workloads.remove(workload_id);
        }
    }
}

/// No code panics while it holds one of the host's locks, and each change is a single step, so what a poisoned lock
/// guards is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn status(workload_id: String, workload_state: WorkloadState, message: &str) -> WorkloadStatus {
    WorkloadStatus { workload_id, workload_state, message: message.to_string() }
}
