//! What `wash host run` tells programs: events, each a line of JSON on stdout.
//!
//! A reader that has stopped holds nothing up. It misses events, and is told how many once it reads again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use washlib_cli::{CommandError, EventQueue, Importance, Ui};

use crate::interrupts::Interrupts;

/// How long a reader that is only slow is waited for, and how long the last events may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// An event of the JSON stream. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A project is being built.
    Building { project_path: &'a Path },
    /// A project has been built.
    Built { component_path: &'a Path, size: u64, elapsed_ms: u64 },
    /// An image is being asked for, in the cache or in a registry.
    Pulling { image: &'a str },
    /// An image is there; `from_cache` if no registry had to send it.
    Pulled { image: &'a str, digest: &'a str, size: usize, from_cache: bool, elapsed_ms: u64 },
    /// Something has no effect, or not the one that was asked for.
    Warning { message: &'a str },
    /// The host listens; no workload answers yet.
    Started {
        host_name: &'a str,
        address: SocketAddr,
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        admin_address: Option<SocketAddr>,
    },
    /// A workload runs.
    WorkloadStarted { workload_id: &'a str, namespace: &'a str, name: &'a str, hosts: &'a [String], elapsed_ms: u64 },
    /// A workload answers, and is loaded when a request wants it.
    WorkloadRegistered { workload_id: &'a str, namespace: &'a str, name: &'a str, hosts: &'a [String] },
    /// A request has loaded a workload.
    WorkloadLoaded { workload_id: &'a str },
    /// A workload was idle and is unloaded; the next request loads it again.
    WorkloadUnloaded { workload_id: &'a str },
    /// A request could not load a workload; a later one tries again.
    WorkloadLoadFailed { workload_id: &'a str, message: &'a str },
    /// All workloads run.
    Ready { address: SocketAddr, url: &'a str, workloads: usize, elapsed_ms: u64 },
    /// A workload's service failed and is started again after a while; `restarts` counts this time too.
    ServiceRestarting { workload_id: &'a str, restarts: u64, after_ms: u64, message: &'a str },
    /// A workload's service has finished its work.
    ServiceCompleted { workload_id: &'a str },
    /// A workload's service failed, and is not started again.
    ServiceFailed { workload_id: &'a str, message: &'a str },
    /// The host accepts no more requests and finishes those in flight.
    Stopping,
    /// A workload is gone.
    WorkloadStopped { workload_id: &'a str },
    /// The host has ended.
    Stopped { elapsed_ms: u64 },
}

/// Where events go. Clones are the same stream.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: EventQueue,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Events that there was no room for, and that nobody has been told of.
    missed: AtomicU64,
    /// Why stdout takes no more, where that was found out before the end.
    failure: Mutex<Option<CommandError>>,
}

impl Event<'_> {
    fn importance(&self) -> Importance {
        match self {
            Self::WorkloadRegistered { .. }
            | Self::WorkloadLoaded { .. }
            | Self::WorkloadUnloaded { .. }
            | Self::WorkloadStopped { .. } => Importance::Dispensable,
            _ => Importance::Needed,
        }
    }
}

impl Events {
    /// Begins the stream. When nobody can read it any more, that interrupts the host.
    pub(crate) fn start(ui: &Ui, interrupts: &Interrupts) -> Result<Self, CommandError> {
        let interrupts = interrupts.clone();
        let queue = ui.event_queue(move || interrupts.interrupt())?;
        Ok(Self { queue, shared: Arc::default() })
    }

    /// Tells of an event. A burst of them waits for its reader, though not for one that takes none for a while.
    pub(crate) fn push(&self, event: &Event<'_>) {
        let importance = event.importance();
        let is_reading = self.tell_of_missed();
        if self.queue.push(event, importance) {
            return;
        }
        if is_reading {
            self.wait();
            if self.queue.push(event, importance) {
                return;
            }
        }
        self.shared.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until everything is written, but not for a reader that has stopped.
    pub(crate) fn finish(&self) -> Result<(), CommandError> {
        if !self.tell_of_missed() {
            // There may be room once the reader has gone on.
            self.wait();
            self.tell_of_missed();
        }
        let finished = self.queue.finish(PATIENCE);
        self.failure().take().map_or(finished, Err)
    }

    /// Whether the reader knows of every event that it has missed.
    fn tell_of_missed(&self) -> bool {
        let missed = self.shared.missed.swap(0, Ordering::Relaxed);
        if missed == 0 {
            return true;
        }
        let message = format!("{missed} events were missed");
        // It takes no room from events that are needed.
        let is_told = self.queue.push(&Event::Warning { message: &message }, Importance::Dispensable);
        if !is_told {
            self.shared.missed.fetch_add(missed, Ordering::Relaxed);
        }
        is_told
    }

    fn wait(&self) {
        if let Err(err) = self.queue.finish(PATIENCE) {
            *self.failure() = Some(err);
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<CommandError>> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
