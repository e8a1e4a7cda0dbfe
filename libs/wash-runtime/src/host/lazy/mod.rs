//! Workloads that are loaded when a request wants them, and unloaded when nobody has wanted them for a while.
//!
//! Until then the host keeps what was asked for, and nothing that is compiled or linked. How a workload is put together
//! is the business of [`super::start`]; this decides when.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;

use super::events::HostEvent;
use super::metrics::{WorkloadMetrics, WorkloadSnapshot};
use super::registry::locked;
use super::running::Running;
use super::{Host, StartError};
use crate::engine::workload::{InFlight, ResolvedWorkload, http_entry};
use crate::types::{WorkloadStartRequest, WorkloadState};

mod idle;
mod load;
mod register;

pub use load::LoadError;
pub(super) use load::Loader;
pub use register::Registration;

/// The pause after a load that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When workloads that are loaded by their requests are unloaded again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LazyLimits {
    /// How long a workload may go without a request before it is unloaded; `None` keeps it loaded.
    pub idle_timeout: Option<Duration>,
    /// How many may be loaded before those that had no request for longest are unloaded.
    pub most_loaded: usize,
}

impl Default for LazyLimits {
    /// Five minutes, 1,000 workloads.
    fn default() -> Self {
        Self { idle_timeout: Some(Duration::from_secs(300)), most_loaded: 1000 }
    }
}

/// Where the bytes of a workload's components come from when it is loaded.
pub trait ComponentSource: Send + Sync + 'static {
    /// The component of this name in its binary format. Called for each load, on a thread that may block.
    ///
    /// # Errors
    /// Whatever keeps it from being read; the load is tried again with a later request.
    fn read(&self, component: &str) -> io::Result<Bytes>;
}

/// A workload that is loaded when a request wants it.
pub struct LazyWorkload {
    /// Without the components' bytes.
    request: WorkloadStartRequest,
    components: Arc<dyn ComponentSource>,
    request_timeout: Option<Duration>,
    loader: Arc<Loader>,
    /// What requests look at first; set exactly while the phase is [`Phase::Loaded`], and a moment longer.
    current: ArcSwapOption<Running>,
    phase: Mutex<Phase>,
    /// Held by whoever loads or unloads: plugins never know two lives of one workload at once.
    transition: tokio::sync::Mutex<()>,
    /// Milliseconds after the loader's beginning.
    last_used: AtomicU64,
    /// From the first load on, over all loads.
    metrics: OnceLock<Arc<WorkloadMetrics>>,
}

enum Phase {
    /// With the failure of the last load, if it failed.
    Asleep(Option<Failure>),
    Loading(watch::Receiver<Option<Outcome>>),
    Loaded,
    Stopped,
}

type Outcome = Result<Arc<Running>, Failure>;

/// A load that failed.
#[derive(Clone)]
struct Failure {
    error: Arc<LoadError>,
    /// How many have failed one after another.
    times: u32,
    retry_at: Instant,
}

/// Why a request does not get a workload that is loaded by its requests.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub(crate) enum NotLoaded {
    #[error("the workload is stopping")]
    Stopped,
    #[error("{error}")]
    Failed {
        error: Arc<LoadError>,
        /// How long until the next try.
        retry_after: Duration,
    },
}

/// What somebody who wants the workload has to do.
enum Next {
    Wait(watch::Receiver<Option<Outcome>>),
    /// It has been loaded meanwhile.
    LookAgain,
}

impl LazyWorkload {
    /// The id it is registered with.
    pub fn id(&self) -> &str {
        &self.request.workload_id
    }

    /// The workload's namespace.
    pub fn namespace(&self) -> &str {
        &self.request.workload.namespace
    }

    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.request.workload.name
    }

    /// The settings of its `host_interfaces` entry for incoming HTTP requests, if it has one.
    pub fn http_config(&self) -> Option<&std::collections::HashMap<String, String>> {
        http_entry(&self.request.workload.host_interfaces).map(|entry| &entry.config)
    }

    /// Whether it is loaded at the moment.
    pub fn is_loaded(&self) -> bool {
        self.current.load().is_some()
    }

    /// How long a request may take, the time for loading included.
    pub(crate) fn request_timeout(&self) -> Option<Duration> {
        self.request_timeout
    }

    /// Joins the invocations in flight, after the workload has been loaded where that is needed. However many ask at
    /// once, it is loaded once, and the load goes on when those who asked have gone.
    pub(crate) async fn enter(self: &Arc<Self>) -> Result<InFlight, NotLoaded> {
        loop {
            if let Some(in_flight) = self.try_enter() {
                return Ok(in_flight);
            }
            let mut outcome = match self.next_step()? {
                Next::Wait(outcome) => outcome,
                Next::LookAgain => continue,
            };
            let loaded = match outcome.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            match loaded {
                Some(Ok(running)) => {
                    if let Some(in_flight) = running.workload().begin() {
                        self.touch();
                        return Ok(in_flight);
                    }
                }
                Some(Err(failure)) => return Err(failure.into()),
                // The load was ended with its runtime.
                None => return Err(NotLoaded::Stopped),
            }
        }
    }

    fn try_enter(&self) -> Option<InFlight> {
        let in_flight = self.current.load().as_ref()?.workload().begin()?;
        self.touch();
        Some(in_flight)
    }

    /// Joins the load that is under way, or begins one.
    fn next_step(self: &Arc<Self>) -> Result<Next, NotLoaded> {
        let mut phase = locked(&self.phase);
        let times = match &*phase {
            Phase::Stopped => return Err(NotLoaded::Stopped),
            Phase::Loading(outcome) => return Ok(Next::Wait(outcome.clone())),
            Phase::Loaded if self.current.load().as_ref().is_some_and(|running| !running.workload().is_closed()) => {
                return Ok(Next::LookAgain);
            }
            Phase::Asleep(Some(failure)) if failure.retry_at > Instant::now() => return Err(failure.clone().into()),
            Phase::Asleep(Some(failure)) => failure.times,
            // The second is being unloaded.
            Phase::Asleep(None) | Phase::Loaded => 0,
        };
        let outcome = load::begin(Arc::clone(self), times);
        *phase = Phase::Loading(outcome.clone());
        Ok(Next::Wait(outcome))
    }

    /// A load has ended. Gives the workload back if it has been stopped meanwhile.
    fn loaded(&self, outcome: &Outcome) -> Result<(), Arc<Running>> {
        let mut phase = locked(&self.phase);
        match (&*phase, outcome) {
            (Phase::Stopped, Ok(running)) => return Err(Arc::clone(running)),
            (Phase::Stopped, Err(_)) => {}
            (_, Ok(running)) => {
                self.touch();
                self.current.store(Some(Arc::clone(running)));
                *phase = Phase::Loaded;
            }
            (_, Err(failure)) => *phase = Phase::Asleep(Some(failure.clone())),
        }
        drop(phase);
        Ok(())
    }

    fn touch(&self) {
        self.last_used.store(self.loader.now(), Ordering::Relaxed);
    }

    /// Unloads the workload, unless it is in use, would lose something, or is about to be loaded or unloaded anyway.
    async fn unload(&self) -> bool {
        let Ok(transition) = self.transition.try_lock() else { return false };
        let Some(running) = self.current.load_full() else { return false };
        if !running.workload().try_close() {
            return false;
        }
        {
            let mut phase = locked(&self.phase);
            // Somebody may already wait to load it again, and stopping it finds nothing more to do.
            if matches!(*phase, Phase::Loaded) {
                *phase = Phase::Asleep(None);
            }
            self.current.store(None);
        }
        running.finish(Duration::ZERO).await;
        // Before it can be loaded again.
        _ = self.loader.events.send(HostEvent::WorkloadUnloaded { workload_id: self.id().to_string() });
        drop(transition);
        true
    }

    /// Takes no more requests, and lets go of what is loaded.
    pub(super) async fn finish(self: Arc<Self>, patience: Duration) {
        *locked(&self.phase) = Phase::Stopped;
        // A load under way lets go of what it has loaded when it finds the workload stopped.
        let begun = Instant::now();
        _ = tokio::time::timeout(patience, self.transition.lock()).await;
        if let Some(running) = self.current.swap(None) {
            running.finish(patience.saturating_sub(begun.elapsed())).await;
        }
    }

    pub(super) fn components(&self) -> usize {
        self.request.workload.components.len()
    }

    pub(super) fn snapshot(&self) -> Option<WorkloadSnapshot> {
        let in_flight = self.current.load().as_ref().map_or(0, |running| running.workload().requests_in_flight());
        Some(WorkloadSnapshot {
            workload_id: self.id().to_string(),
            namespace: self.namespace().to_string(),
            name: self.name().to_string(),
            requests: self.metrics.get()?.snapshot(),
            in_flight: in_flight as u64,
            service_restarts: 0,
        })
    }

    pub(super) fn state(&self) -> (WorkloadState, String) {
        match &*locked(&self.phase) {
            Phase::Asleep(None) => (WorkloadState::Running, "the next request loads the workload".to_string()),
            Phase::Asleep(Some(failure)) => {
                (WorkloadState::Error, format!("the workload could not be loaded: {}", failure.error.chain()))
            }
            Phase::Loading(_) => (WorkloadState::Running, "the workload is being loaded".to_string()),
            Phase::Loaded => (WorkloadState::Running, "the workload is running".to_string()),
            Phase::Stopped => (WorkloadState::Stopping, "the workload is finishing its requests".to_string()),
        }
    }

    /// The loaded workload, for what is not a request.
    pub(super) async fn resolved(self: &Arc<Self>) -> Option<Arc<ResolvedWorkload>> {
        Some(Arc::clone(self.enter().await.ok()?.workload()))
    }

    /// The workload if it is loaded now.
    pub(super) fn resolved_now(&self) -> Option<Arc<ResolvedWorkload>> {
        self.current.load().as_ref().map(|running| Arc::clone(running.workload()))
    }
}

impl From<Failure> for NotLoaded {
    fn from(failure: Failure) -> Self {
        let retry_after = failure.retry_at.saturating_duration_since(Instant::now());
        Self::Failed { error: failure.error, retry_after }
    }
}

impl Failure {
    /// The failure of a load after which `times` have failed before.
    fn after(times: u32, error: LoadError) -> Self {
        let pause = FIRST_PAUSE.saturating_mul(1 << times.min(8)).min(LONGEST_PAUSE);
        Self { error: Arc::new(error), times: times.saturating_add(1), retry_at: Instant::now() + pause }
    }
}

impl std::fmt::Debug for LazyWorkload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyWorkload")
            .field("id", &self.id())
            .field("is_loaded", &self.is_loaded())
            .finish_non_exhaustive()
    }
}
