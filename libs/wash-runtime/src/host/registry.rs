//! Which workloads a host has, by their ids, and in which part of their lives they are.
//!
//! It starts and stops nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::StartError;
use super::events::HostEvent;
use super::http::HostHandler;
use super::lazy::LazyWorkload;
use super::metrics::WorkloadSnapshot;
use super::running::Running;
use crate::types::WorkloadState;

/// The workloads of a host.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) stopped: bool,
    pub(super) workloads: HashMap<String, Entry>,
}

pub(super) enum Entry {
    Starting,
    Active(Active),
    Stopping,
}

/// A workload that answers.
#[derive(Clone)]
pub(super) enum Active {
    /// It is loaded from its start to its end.
    Running(Arc<Running>),
    /// It is loaded when a request wants it.
    Lazy(Arc<LazyWorkload>),
}

impl Active {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Running(running) => running.workload().id(),
            Self::Lazy(lazy) => lazy.id(),
        }
    }

    /// The numbers, if there is anything to count.
    pub(super) fn snapshot(&self) -> Option<WorkloadSnapshot> {
        match self {
            Self::Running(running) => Some(running.snapshot()),
            Self::Lazy(lazy) => lazy.snapshot(),
        }
    }

    pub(super) fn state(&self) -> (WorkloadState, String) {
        match self {
            Self::Running(running) => running.state(),
            Self::Lazy(lazy) => lazy.state(),
        }
    }

    /// Components, and the service if there is one.
    pub(super) fn items(&self) -> usize {
        match self {
            Self::Running(running) => running.workload().linked().items.len(),
            Self::Lazy(lazy) => lazy.components(),
        }
    }

    /// Lets what is in flight finish, and lets go of everything that belongs to the workload.
    pub(super) async fn finish(self, patience: Duration) {
        match self {
            Self::Running(running) => running.finish(patience).await,
            Self::Lazy(lazy) => lazy.finish(patience).await,
        }
    }
}

impl Registry {
    /// The workloads that answer.
    pub(super) fn active(&self) -> impl Iterator<Item = &Active> {
        self.workloads.values().filter_map(|entry| match entry {
            Entry::Active(active) => Some(active),
            Entry::Starting | Entry::Stopping => None,
        })
    }

    /// Marks a workload that answers as stopping, and hands it over.
    pub(super) fn take(&mut self, workload_id: &str) -> Option<Active> {
        let entry = self.workloads.get_mut(workload_id)?;
        if !matches!(entry, Entry::Active(_)) {
            return None;
        }
        match std::mem::replace(entry, Entry::Stopping) {
            Entry::Active(active) => Some(active),
            Entry::Starting | Entry::Stopping => None,
        }
    }
}

/// An id that is claimed for a start in progress; dropped, it is free again, and the HTTP handler forgets it.
pub(super) struct Reservation {
    registry: Arc<Mutex<Registry>>,
    http_handler: Option<Arc<dyn HostHandler>>,
    workload_id: Option<String>,
}

impl Reservation {
    /// Claims the id, so that two starts cannot both have it.
    pub(super) fn claim(
        registry: &Arc<Mutex<Registry>>,
        http_handler: Option<&Arc<dyn HostHandler>>,
        workload_id: &str,
    ) -> Result<Self, StartError> {
        let mut workloads = locked(registry);
        if workloads.stopped {
            return Err(StartError::HostStopped);
        }
        if workloads.workloads.contains_key(workload_id) {
            return Err(StartError::IdInUse { workload_id: workload_id.to_string() });
        }
        workloads.workloads.insert(workload_id.to_string(), Entry::Starting);
        drop(workloads);
        Ok(Self {
            registry: Arc::clone(registry),
            http_handler: http_handler.cloned(),
            workload_id: Some(workload_id.to_string()),
        })
    }

    /// Lists the workload; gives it back if the host has stopped meanwhile. The event is sent before anyone can stop the
    /// workload.
    pub(super) fn fulfil(mut self, active: Active, events: &broadcast::Sender<HostEvent>) -> Result<(), Active> {
        let mut registry = locked(&self.registry);
        if registry.stopped {
            drop(registry);
            return Err(active);
        }
        if let Some(workload_id) = self.workload_id.take() {
            let event = match &active {
                Active::Running(_) => HostEvent::WorkloadStarted { workload_id: workload_id.clone() },
                Active::Lazy(_) => HostEvent::WorkloadRegistered { workload_id: workload_id.clone() },
            };
            registry.workloads.insert(workload_id, Entry::Active(active));
            _ = events.send(event);
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
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
