//! A host: it starts, lists and stops workloads, and passes them the requests that its HTTP handler receives.
//!
//! It knows nothing of clusters, files or registries; whoever embeds it brings the bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use thiserror::Error;

use self::guest_output::{GuestOutput, HostStderr};
use self::http::HostHandler;
use crate::engine::Engine;
use crate::engine::workload::ResolvedWorkload;
use crate::types::{
    WorkloadStartRequest, WorkloadStartResponse, WorkloadState, WorkloadStatus, WorkloadStatusRequest,
    WorkloadStatusResponse, WorkloadStopRequest, WorkloadStopResponse,
};

pub mod guest_output;
pub mod http;
mod start;

pub use start::StartError;

/// How long requests in flight may take to finish when a workload or the host stops.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// How long a component may take to start an instance.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Why a host could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing could reach the host's workloads.
    #[error("the host has no HTTP handler")]
    NoHttpHandler,
}

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
}

/// Settings for a [`Host`].
#[must_use]
pub struct HostBuilder {
    engine: Option<Engine>,
    friendly_name: String,
    http_handler: Option<Arc<dyn HostHandler>>,
    guest_output: Arc<dyn GuestOutput>,
    drain_patience: Duration,
    start_patience: Duration,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            engine: None,
            friendly_name: "wash".to_string(),
            http_handler: None,
            guest_output: Arc::new(HostStderr),
            drain_patience: DRAIN_PATIENCE,
            start_patience: START_PATIENCE,
        }
    }
}

impl HostBuilder {
    /// A host with defaults for all but the HTTP handler.
    pub fn new() -> Self {
        Self::default()
    }

    /// The engine to run on; without it the host builds one with its defaults.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// A name for people.
    pub fn with_friendly_name(mut self, name: impl Into<String>) -> Self {
        self.friendly_name = name.into();
        self
    }

    /// What receives HTTP requests for the workloads.
    pub fn with_http_handler(mut self, handler: Arc<dyn HostHandler>) -> Self {
        self.http_handler = Some(handler);
        self
    }

    /// Where guests' standard output and standard error go: by default both to the host program's standard error.
    pub fn with_guest_output(mut self, output: Arc<dyn GuestOutput>) -> Self {
        self.guest_output = output;
        self
    }

    /// How long requests in flight may take to finish when a workload or the host stops: by default 30 seconds.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_patience = timeout;
        self
    }

    /// How long a component may take to start an instance: by default 10 seconds.
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.start_patience = timeout;
        self
    }

    /// Puts the host together. It serves nothing before it is started.
    ///
    /// # Errors
    /// [`BuildError`] or [`crate::engine::EngineError`], found by `downcast_ref`.
    pub fn build(self) -> anyhow::Result<Host> {
        let http_handler = self.http_handler.ok_or(BuildError::NoHttpHandler)?;
        let engine = self.engine.map_or_else(|| Engine::builder().build(), Ok)?;
        Ok(Host {
            engine,
            friendly_name: self.friendly_name,
            http_handler,
            guest_output: self.guest_output,
            drain_patience: self.drain_patience,
            start_patience: self.start_patience,
            registry: Arc::default(),
        })
    }
}

/// A host of workloads.
pub struct Host {
    engine: Engine,
    friendly_name: String,
    http_handler: Arc<dyn HostHandler>,
    guest_output: Arc<dyn GuestOutput>,
    drain_patience: Duration,
    start_patience: Duration,
    registry: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    stopped: bool,
    workloads: HashMap<String, Entry>,
}

enum Entry {
    Starting,
    Running(Arc<ResolvedWorkload>),
    Stopping,
}

impl Host {
    /// Starts to answer requests. Until a workload is started, the answer says that there is none.
    ///
    /// # Errors
    /// What the HTTP handler says.
    pub async fn start(self) -> anyhow::Result<Arc<Self>> {
        self.http_handler.start().await?;
        Ok(Arc::new(self))
    }

    /// The name for people.
    pub fn friendly_name(&self) -> &str {
        &self.friendly_name
    }

    /// Accepts no more connections, finishes the requests in flight, and then stops every workload. What is still in
    /// flight when the host's patience ends is ended.
    ///
    /// # Errors
    /// What the HTTP handler says.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.registry().stopped = true;
        self.http_handler.stop(self.drain_patience).await?;
        let workloads: Vec<_> = self.registry().workloads.keys().cloned().collect();
        for workload_id in workloads {
            if let Some(workload) = self.take_running(&workload_id) {
                // The server has waited for the responses; a guest may still be at work on what comes after them.
                self.retire(workload, self.drain_patience.saturating_sub(begun.elapsed())).await;
            }
        }
        Ok(())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
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
        Ok(Reservation { registry: Arc::clone(&self.registry), workload_id: Some(workload_id.to_string()) })
    }

    /// Marks a running workload as stopping and hands it over.
    fn take_running(&self, workload_id: &str) -> Option<Arc<ResolvedWorkload>> {
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
    async fn retire(&self, workload: Arc<ResolvedWorkload>, patience: Duration) {
        self.http_handler.on_workload_unbind(workload.id());
        let registry = Arc::clone(&self.registry);
        let retired = tokio::spawn(async move {
            let ended = workload.drain(patience).await;
            if ended > 0 {
                tracing::warn!(workload_id = workload.id(), "ended {ended} requests that did not finish in time");
            }
            lock(&registry).workloads.remove(workload.id());
            // Unmapping machine code takes a while and must not hold up requests.
            tokio::task::spawn_blocking(move || drop(workload));
        });
        if let Err(err) = retired.await {
            tracing::error!("stopping a workload failed: {err}");
        }
    }
}

#[async_trait]
impl HostApi for Host {
    async fn workload_start(&self, request: WorkloadStartRequest) -> anyhow::Result<WorkloadStartResponse> {
        let workload_id = request.workload_id.clone();
        let reservation = self.reserve(&workload_id)?;
        let workload =
            start::resolve(&self.engine, Arc::clone(&self.guest_output), self.start_patience, request).await?;
        let workload = Arc::new(workload);
        // Routed before it counts as running: a stop that comes in between finds it still starting.
        self.http_handler.on_workload_resolved(Arc::clone(&workload))?;
        if let Err(err) = reservation.fulfil(&workload) {
            self.http_handler.on_workload_unbind(&workload_id);
            return Err(err.into());
        }
        let workload_status = status(workload_id, WorkloadState::Running, "the workload is running");
        Ok(WorkloadStartResponse { workload_status })
    }

    async fn workload_status(&self, request: WorkloadStatusRequest) -> anyhow::Result<WorkloadStatusResponse> {
        let (state, message) = match self.registry().workloads.get(&request.workload_id) {
            Some(Entry::Starting) => (WorkloadState::Starting, "the workload is starting"),
            Some(Entry::Running(_)) => (WorkloadState::Running, "the workload is running"),
            Some(Entry::Stopping) => (WorkloadState::Stopping, "the workload is finishing its requests"),
            None => (WorkloadState::NotFound, "no workload has this id"),
        };
        Ok(WorkloadStatusResponse { workload_status: status(request.workload_id, state, message) })
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
}

/// An id that is claimed for a start in progress; dropped, it is free again.
struct Reservation {
    registry: Arc<Mutex<Registry>>,
    workload_id: Option<String>,
}

impl Reservation {
    fn fulfil(mut self, workload: &Arc<ResolvedWorkload>) -> Result<(), StartError> {
        let mut registry = lock(&self.registry);
        if registry.stopped {
            drop(registry);
            return Err(StartError::HostStopped);
        }
        if let Some(workload_id) = self.workload_id.take() {
            registry.workloads.insert(workload_id, Entry::Running(Arc::clone(workload)));
        }
        drop(registry);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(workload_id) = &self.workload_id {
            lock(&self.registry).workloads.remove(workload_id);
        }
    }
}

/// No code panics while it holds this lock, and each change is a single step, so a poisoned registry is still whole.
fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn status(workload_id: String, workload_state: WorkloadState, message: &str) -> WorkloadStatus {
    WorkloadStatus { workload_id, workload_state, message: message.to_string() }
}
