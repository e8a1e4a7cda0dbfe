//! One load of a workload: its components are read, and it is put together as if it had been started.
//!
//! Who waits for it, and what a failure means for the next request, is not known here.

use std::collections::HashSet;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

use futures_util::FutureExt;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, watch};

use super::{Failure, LazyLimits, LazyWorkload, Outcome};
use crate::host::StartError;
use crate::host::events::HostEvent;
use crate::host::metrics::WorkloadMetrics;
use crate::host::running::Running;
use crate::host::start::{Resolved, Resolver, covered, world_of};
use crate::plugin::Attachment;
use crate::types::{Workload, WorkloadStartRequest};
use crate::wit::WitInterface;

/// Why a workload could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes of a component are not to be had.
    #[error("cannot read component `{component}`")]
    Read {
        /// The component's name.
        component: String,
        /// What its source said.
        source: io::Error,
    },
    /// It does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The host's own code failed.
    #[error("the host itself failed; its log says more")]
    Crashed,
}

impl LoadError {
    /// The error and its causes in one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// What a client may know of it: nothing of the host's own directories.
    pub(crate) fn for_clients(&self) -> String {
        match self {
            Self::Start(StartError::Volume { volume, .. } | StartError::VolumeNotAllowed { volume, .. }) => {
                format!("its volume `{volume}` cannot be used")
            }
            other => other.to_string(),
        }
    }
}

/// What all workloads of a host that are loaded by their requests have in common.
pub(in crate::host) struct Loader {
    pub(super) resolver: Arc<Resolver>,
    pub(super) events: broadcast::Sender<HostEvent>,
    pub(super) limits: LazyLimits,
    /// Compiling takes processors; whoever finds no place waits.
    places: Semaphore,
    begun: Instant,
    /// Where loads run: requests come from threads that must not wait for them.
    runtime: OnceLock<Handle>,
    /// What each plugin provides and calls; it takes a while to be described, and does not change.
    worlds: OnceLock<Vec<HashSet<WitInterface>>>,
    /// Those that are loaded now, and a few that were.
    pub(super) loaded: Mutex<Vec<Weak<LazyWorkload>>>,
    /// Held by whoever looks for workloads to unload.
    pub(super) sweeping: tokio::sync::Mutex<()>,
}

impl Loader {
    pub(in crate::host) fn new(
        resolver: Arc<Resolver>,
        events: broadcast::Sender<HostEvent>,
        limits: LazyLimits,
    ) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Arc::new(Self {
            resolver,
            events,
            limits,
            places: Semaphore::new(2 * processors),
            begun: Instant::now(),
            runtime: OnceLock::new(),
            worlds: OnceLock::new(),
            loaded: Mutex::default(),
            sweeping: tokio::sync::Mutex::new(()),
        })
    }

    /// Loads run on the runtime of whoever registers the first workload, and so does looking for idle ones.
    pub(super) fn settle(self: &Arc<Self>) {
        if self.runtime.set(Handle::current()).is_ok() {
            super::idle::watch(self);
        }
    }

    /// Whether something else than a request makes the workload work: its service, or a plugin.
    pub(super) fn works_by_itself(&self, workload: &Workload) -> bool {
        let plugins = &self.resolver.plugins;
        let worlds = self.worlds.get_or_init(|| plugins.iter().map(|plugin| world_of(&**plugin)).collect());
        workload.service.is_some()
            || plugins.iter().zip(worlds).any(|(plugin, world)| {
                let interfaces = covered(world, &workload.host_interfaces);
                !interfaces.is_empty() && plugin.attachment(&interfaces) == Attachment::Calls
            })
    }

    /// Milliseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Begins to load a workload; `times` loads have failed before.
pub(super) fn begin(workload: Arc<LazyWorkload>, times: u32) -> watch::Receiver<Option<Outcome>> {
    let (sender, outcome) = watch::channel(None);
    let runtime = workload.loader.runtime.get().cloned();
    let load = async move {
        let transition = workload.transition.lock().await;
        // Everything that a panic could leave half done is dropped with it.
        let result = match AssertUnwindSafe(load(&workload)).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Err(LoadError::Crashed),
        };
        let outcome = result.map_err(|error| Failure::after(times, error));
        tell(&workload, &outcome);
        if let Err(stopped) = workload.loaded(&outcome) {
            stopped.finish(std::time::Duration::ZERO).await;
        }
        drop(transition);
        let is_loaded = outcome.is_ok();
        sender.send_replace(Some(outcome));
        if is_loaded {
            workload.loader.remember(&workload).await;
        }
    };
    match runtime {
        Some(runtime) => drop(runtime.spawn(load)),
        // Nothing is registered before a runtime is there.
        None => drop(load),
    }
    outcome
}

async fn load(workload: &LazyWorkload) -> Result<Arc<Running>, LoadError> {
    // Nobody closes the semaphore.
    let _place = workload.loader.places.acquire().await;
    let (request, components) = (workload.request.clone(), Arc::clone(&workload.components));
    let read = tokio::task::spawn_blocking(move || read(request, &*components)).await;
    let request = read.unwrap_or(Err(LoadError::Crashed))?;
    let metrics = Arc::clone(workload.metrics.get_or_init(Arc::<WorkloadMetrics>::default));
    let Resolved { workload: resolved, bound, .. } = workload.loader.resolver.resolve(request, metrics, None).await?;
    let running = Running::new(resolved, bound, None, None);
    running.begin();
    Ok(running)
}

fn read(
    mut request: WorkloadStartRequest,
    components: &dyn super::ComponentSource,
) -> Result<WorkloadStartRequest, LoadError> {
    for component in &mut request.workload.components {
        component.bytes = components
            .read(&component.name)
            .map_err(|source| LoadError::Read { component: component.name.clone(), source })?;
    }
    Ok(request)
}

fn tell(workload: &LazyWorkload, outcome: &Outcome) {
    let workload_id = workload.id().to_string();
    let event = match outcome {
        Ok(_) => HostEvent::WorkloadLoaded { workload_id },
        Err(failure) => {
            let reason = failure.error.chain();
            tracing::warn!(workload_id, "a workload could not be loaded: {reason}");
            HostEvent::WorkloadLoadFailed { workload_id, reason }
        }
    };
    _ = workload.loader.events.send(event);
}
