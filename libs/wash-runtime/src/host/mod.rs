//! A host: it starts, lists and stops workloads, and passes them the requests that its HTTP handler receives.
//!
//! It knows nothing of clusters, files or registries; whoever embeds it brings the bytes.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::broadcast;

use self::events::HostEvent;
use self::http::HostHandler;
use self::lazy::Loader;
use self::metrics::{HostMetrics, WorkloadMetrics};
use self::registry::{Active, Registry, Reservation, locked};
use self::running::Running;
use self::service::ServiceTask;
use self::start::{Resolved, Resolver, ServiceTerms};
use crate::plugin::HostPlugin;
use crate::types::WorkloadStartRequest;

mod api;
mod builder;
mod connect;
pub mod events;
pub mod guest_output;
mod heartbeat;
pub mod http;
pub mod invoke;
pub mod lazy;
pub mod metrics;
mod registry;
mod replace;
mod running;
mod service;
mod start;

pub use api::{HostApi, StopError};
pub use builder::{BuildError, HostBuilder};
pub use connect::WorkloadConnectError;
pub use replace::{Replacement, ServiceFate};
pub use start::{ImportProblem, InterfaceNameProblem, StartError};

/// How long a plugin may take to stop.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(3);

/// A host of workloads.
pub struct Host {
    id: String,
    friendly_name: String,
    started_at: SystemTime,
    http_handler: Option<Arc<dyn HostHandler>>,
    resolver: Arc<Resolver>,
    loader: Arc<Loader>,
    drain_patience: Duration,
    events: broadcast::Sender<HostEvent>,
    registry: Arc<Mutex<Registry>>,
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

    /// What the host has counted so far: the workloads that are running, in no particular order. One that is loaded by
    /// its requests is among them once it has been loaded.
    pub fn metrics(&self) -> HostMetrics {
        let workloads = self.registry().active().filter_map(Active::snapshot).collect();
        HostMetrics { workloads, pool: self.resolver.engine.total_pool_usage() }
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
            let taken = self.registry().take(&workload_id);
            if let Some(workload) = taken {
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

    fn reserve(&self, workload_id: &str) -> Result<Reservation, StartError> {
        Reservation::claim(&self.registry, self.http_handler.as_ref(), workload_id)
    }

    /// Takes the workload out of routing, lets it finish, and forgets it, whether or not the caller keeps waiting.
    async fn retire(&self, workload: Active, patience: Duration) {
        let workload_id = workload.id().to_string();
        if let Some(handler) = &self.http_handler {
            handler.on_workload_unbind(&workload_id);
        }
        let registry = Arc::clone(&self.registry);
        let events = self.events.clone();
        let retired = tokio::spawn(async move {
            workload.finish(patience).await;
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
        let service_terms = ServiceTerms::of(&request.workload).map(Arc::new);
        let reservation = self.reserve(&workload_id)?;
        if let Some(handler) = &self.http_handler {
            handler.on_workload_starting(&workload_id, &request.workload)?;
        }
        let metrics = Arc::<WorkloadMetrics>::default();
        let Resolved { workload, bound, .. } = self.resolver.resolve(request, metrics, None).await?;
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
        let running = Running::new(workload, bound, service, service_terms);
        if let Err(active) = reservation.fulfil(Active::Running(Arc::clone(&running)), &self.events) {
            self.retire(active, Duration::ZERO).await;
            return Err(StartError::HostStopped.into());
        }
        // Only now, so that nobody hears of the service before the workload.
        running.begin();
        Ok(())
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
