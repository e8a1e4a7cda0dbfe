//! Workloads: on their way to being linked, and ready to be invoked.
//!
//! A [`ResolvedWorkload`] counts what is in flight and can end it; which workload a request goes to is the router's
//! business.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::admission::Admission;
use super::ctx::{Ctx, new_store};
use super::linked::{Handler, Identity, Linked};
use super::memory::BudgetShare;
use super::schedule::Schedule;
use crate::host::http::RequestObserver;
use crate::host::metrics::WorkloadMetrics;
use crate::wit::WitInterface;

mod instances;
mod item;

pub(crate) use instances::InstanceHandler;
use instances::Instances;
pub(crate) use item::SERVICE_ID;
pub use item::{ItemBase, UnresolvedWorkload, WorkloadComponent, WorkloadItem, WorkloadService};

/// More invocations than one workload can have in flight: what holds all of these permits holds the workload alone.
const ALL_INVOCATIONS: u32 = 1 << 28;

/// Why a component could not be invoked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The workload is stopping or gone.
    #[error("the workload has stopped")]
    Stopped,
    /// The workload has no component of this name.
    #[error("the workload has no component `{component_id}`")]
    UnknownComponent {
        /// The id that was asked for.
        component_id: String,
    },
    /// The component runs as often as it may.
    #[error("component `{component_id}` is busy")]
    Busy {
        /// The component's id.
        component_id: String,
    },
    /// No instance could be made.
    #[error("component `{component_id}` fails when it starts")]
    Instantiate {
        /// The component's id.
        component_id: String,
        /// The trap, or what the host ran out of.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A workload that is ready to be invoked.
pub struct ResolvedWorkload {
    this: Weak<Self>,
    linked: Arc<Linked>,
    http: HttpOptions,
    invocations: Arc<Semaphore>,
    cancelled: watch::Sender<bool>,
    instances: Instances,
    metrics: Arc<WorkloadMetrics>,
    /// Whether nothing would be lost if it were unloaded and loaded again.
    restorable: bool,
}

/// What would be lost if a workload were unloaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    Nothing,
    /// What a plugin keeps in memory for it, or a directory that goes with it.
    Something,
}

/// What a workload's entry for `wasi:http` says.
#[derive(Clone, Default)]
pub(crate) struct HttpOptions {
    pub(crate) config: Option<HashMap<String, String>>,
    /// How long a request may take until it has a response.
    pub(crate) request_timeout: Option<Duration>,
    /// How many requests one instance answers before it is thrown away.
    pub(crate) instance_reuse: u32,
    /// How many instances are made in advance.
    pub(crate) instances_ready: usize,
    /// Who watches the requests.
    pub(crate) observer: Option<Arc<dyn RequestObserver>>,
}

/// One invocation's share of a workload: while it lives, the workload does not finish stopping.
pub(crate) struct InFlight {
    workload: Arc<ResolvedWorkload>,
    _permit: OwnedSemaphorePermit,
}

/// A workload as a plugin keeps it: it does not keep the workload from going.
#[derive(Clone, Debug)]
pub struct WorkloadHandle(Weak<ResolvedWorkload>);

/// A fresh instance of a component. While it lives, the workload does not finish stopping.
pub struct Invocation {
    /// The instance's store.
    pub store: Store<Ctx>,
    /// The instance.
    pub instance: Instance,
    /// Dropped after the store.
    _memory: Arc<BudgetShare>,
    in_flight: InFlight,
    _admitted: Option<OwnedSemaphorePermit>,
}

impl ResolvedWorkload {
    pub(crate) fn new(linked: Linked, http: HttpOptions, metrics: Arc<WorkloadMetrics>, loss: Loss) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            linked: Arc::new(linked),
            http,
            invocations: Arc::new(Semaphore::new(ALL_INVOCATIONS as usize)),
            cancelled: watch::Sender::new(false),
            instances: Instances::default(),
            metrics,
            restorable: loss == Loss::Nothing,
        })
    }

    /// The id it was started with.
    pub fn id(&self) -> &str {
        &self.identity().id
    }

    /// The workload's namespace.
    pub fn namespace(&self) -> &str {
        &self.identity().namespace
    }

    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.identity().name
    }

    /// Ids of its components, and of its service if it has one.
    pub fn component_ids(&self) -> impl Iterator<Item = &str> {
        self.linked.items.iter().map(|item| &*item.id)
    }

    /// Whether it answers HTTP requests.
    pub fn handles_http(&self) -> bool {
        self.linked.handler.is_some()
    }

    /// The settings of its `host_interfaces` entry for incoming HTTP requests, if it has one.
    pub fn http_config(&self) -> Option<&HashMap<String, String>> {
        self.http.config.as_ref()
    }

    /// Requests and other invocations in flight at the moment.
    pub fn requests_in_flight(&self) -> usize {
        (ALL_INVOCATIONS as usize).saturating_sub(self.invocations.available_permits())
    }

    /// A handle that does not keep the workload from going.
    pub fn handle(&self) -> WorkloadHandle {
        WorkloadHandle(Weak::clone(&self.this))
    }

    /// Makes a fresh instance of a component.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn instantiate(&self, component_id: &str, timeout: Option<Duration>) -> Result<Invocation, CallError> {
        let Some(index) = self.linked.position(component_id) else {
            return Err(CallError::UnknownComponent { component_id: component_id.to_string() });
        };
        let in_flight = self.this.upgrade().and_then(|workload| workload.begin()).ok_or(CallError::Stopped)?;
        let schedule = Arc::new(Schedule::new(timeout));
        let admitted = self.linked.item(index).admission.admit_within(&schedule).await;
        let admitted = admitted.map_err(|_| CallError::Busy { component_id: component_id.to_string() })?;
        let failed = |err: wasmtime::Error| CallError::Instantiate {
            component_id: component_id.to_string(),
            source: err.into(),
        };
        let (memory, mut store) = new_store(&self.linked, index, schedule).map_err(failed)?;
        let instance = self.linked.item(index).pre.instantiate_async(&mut store).await.map_err(failed)?;
        store.data_mut().set_instance(index, instance);
        Ok(Invocation { store, instance, _memory: memory, in_flight, _admitted: admitted })
    }

    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.linked.identity
    }

    pub(crate) fn linked(&self) -> &Arc<Linked> {
        &self.linked
    }

    /// Where what becomes of its requests is counted.
    pub(crate) fn metrics(&self) -> &WorkloadMetrics {
        &self.metrics
    }

    pub(crate) fn handler(&self) -> Option<&Handler> {
        self.linked.handler.as_ref()
    }

    pub(crate) fn http(&self) -> &HttpOptions {
        &self.http
    }

    /// The gate of the component that answers HTTP requests.
    pub(crate) fn handler_admission(&self) -> Option<&Admission> {
        Some(&self.linked.item(self.handler()?.item).admission)
    }

    /// Joins the invocations in flight, unless the workload no longer takes any.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<InFlight> {
        let permit = Arc::clone(&self.invocations).try_acquire_owned().ok()?;
        Some(InFlight { workload: Arc::clone(self), _permit: permit })
    }

    /// Whether nothing would be lost if it were unloaded and loaded again.
    pub(crate) fn is_restorable(&self) -> bool {
        self.restorable
    }

    /// Takes no further invocations, unless there are some in flight.
    pub(crate) fn try_close(&self) -> bool {
        let Ok(all) = self.invocations.try_acquire_many(ALL_INVOCATIONS) else { return false };
        self.invocations.close();
        drop(all);
        true
    }

    /// Whether it takes no further invocations.
    pub(crate) fn is_closed(&self) -> bool {
        self.invocations.is_closed()
    }

    /// Takes no further invocations and waits for those in flight; after `patience` it ends them.
    /// Returns how many it had to end.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        // The semaphore is fair: once this waits for all permits, no new invocation gets one.
        let mut all = std::pin::pin!(self.invocations.acquire_many(ALL_INVOCATIONS));
        let ended = match tokio::time::timeout(patience, all.as_mut()).await {
            Ok(_) => 0,
            Err(_) => {
                let ended = self.requests_in_flight();
                self.cancelled.send_replace(true);
                _ = all.await;
                ended
            }
        };
        self.invocations.close();
        self.instances.clear();
        ended
    }

    /// Resolves when what is in flight is to be ended.
    pub(crate) async fn cancelled(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl std::fmt::Debug for ResolvedWorkload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResolvedWorkload")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl WorkloadHandle {
    /// Makes a fresh instance of a component; see [`ResolvedWorkload::instantiate`].
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::Stopped`] also when the workload is gone.
    pub async fn instantiate(&self, component_id: &str, timeout: Option<Duration>) -> Result<Invocation, CallError> {
        let workload = self.0.upgrade().ok_or(CallError::Stopped)?;
        workload.instantiate(component_id, timeout).await
    }
}

impl Invocation {
    /// Resolves when the workload stops and has no more patience: the invocation is then to be dropped.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        let workload = Arc::clone(&self.in_flight.workload);
        async move { workload.cancelled().await }
    }

    /// Runs what is done with the instance, until it ends, its time is over, or the workload has no more patience.
    ///
    /// # Errors
    /// What the guest's call returns; an error that says so if it was ended.
    pub async fn run<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Store<Ctx>, &Instance) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        let schedule = Arc::clone(self.store.data().schedule());
        let cancelled = self.cancelled();
        let overdue = async {
            match schedule.deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = schedule.drive(call(&mut self.store, &self.instance)) => result,
            () = cancelled => Err(CallError::Stopped.into()),
            () = overdue => Err(schedule.exceeded().into()),
        }
    }
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation").field("store", self.store.data()).finish_non_exhaustive()
    }
}

impl InFlight {
    pub(crate) fn workload(&self) -> &Arc<ResolvedWorkload> {
        &self.workload
    }
}

/// The workload's entry for incoming HTTP requests, if it has one.
pub(crate) fn http_entry(interfaces: &[WitInterface]) -> Option<&WitInterface> {
    interfaces.iter().find(|interface| {
        interface.namespace == "wasi"
            && interface.package == "http"
            && interface.interfaces.iter().any(|name| name == "incoming-handler" || name == "handler")
    })
}
