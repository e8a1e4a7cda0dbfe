//! Instances of the component that answers a workload's HTTP requests: fresh ones, ones made in advance, and, where the
//! workload allows it, ones that have answered a request before.
//!
//! It hands instances out; what is done with them is the business of [`crate::host::http`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::Proxy;
#[cfg(feature = "wasip3")]
use wasmtime_wasi_http::p3::bindings::Service;

use super::ResolvedWorkload;
use crate::engine::ctx::{Ctx, new_store};
use crate::engine::linked::HandlerExport;
use crate::engine::memory::BudgetShare;
use crate::engine::schedule::Schedule;

/// Instances that wait for their next request.
const MOST_IDLE_INSTANCES: usize = 256;

/// An instance of the component that answers HTTP requests.
pub(crate) struct HandlerInstance {
    pub(crate) store: Store<Ctx>,
    pub(crate) handler: InstanceHandler,
    /// Dropped after the store.
    _memory: Arc<BudgetShare>,
    answered: u32,
}

/// What an instance is called by.
pub(crate) enum InstanceHandler {
    Proxy(Proxy),
    #[cfg(feature = "wasip3")]
    Service(Service),
}

/// Instances that wait for a request.
#[derive(Default)]
pub(super) struct Instances {
    waiting: Mutex<Vec<HandlerInstance>>,
    /// Whether someone is making instances in advance.
    filling: AtomicBool,
}

impl Instances {
    fn waiting(&self) -> MutexGuard<'_, Vec<HandlerInstance>> {
        // Each change is a single step, so a poisoned list is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clear(&self) {
        // Freed after the lock: that takes longer than anything done under it.
        let waiting = std::mem::take(&mut *self.waiting());
        drop(waiting);
    }
}

impl ResolvedWorkload {
    /// An instance for a request.
    pub(crate) async fn take_instance(&self, schedule: Arc<Schedule>) -> wasmtime::Result<HandlerInstance> {
        let http = self.http();
        if http.instance_reuse > 1 || http.instances_ready > 0 {
            let waiting = self.instances.waiting().pop();
            self.refill();
            if let Some(mut instance) = waiting {
                instance.store.data_mut().set_schedule(schedule);
                return Ok(instance);
            }
        }
        self.make_instance(schedule).await
    }

    /// Takes back an instance that has answered a request without failing.
    pub(crate) fn give_back(&self, mut instance: HandlerInstance) {
        instance.answered += 1;
        if instance.answered < self.http().instance_reuse {
            let mut waiting = self.instances.waiting();
            if waiting.len() < MOST_IDLE_INSTANCES {
                waiting.push(instance);
            }
        }
    }

    /// Has instances made in advance, up to the number that the workload asks for.
    pub(crate) fn refill(&self) {
        let wanted = self.http().instances_ready;
        if wanted == 0 || self.instances.waiting().len() >= wanted {
            return;
        }
        let (Some(workload), Ok(runtime)) = (self.this.upgrade(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if workload.instances.filling.swap(true, Ordering::AcqRel) {
            return;
        }
        runtime.spawn(async move {
            while workload.instances.waiting().len() < wanted && workload.may_make_in_advance() {
                // A component that fails when it starts says so to the next request.
                let Ok(instance) = workload.make_instance(Arc::new(Schedule::new(None))).await else { break };
                workload.instances.waiting().push(instance);
                tokio::task::yield_now().await;
            }
            workload.instances.filling.store(false, Ordering::Release);
            if workload.invocations.is_closed() {
                workload.instances.clear();
            }
        });
    }

    /// Half of the pool is for requests that are there.
    fn may_make_in_advance(&self) -> bool {
        !self.invocations.is_closed()
            && self
                .linked
                .engine()
                .pool_usage()
                .is_none_or(|usage| usage.component_instances < u64::from(usage.max_instances) / 2)
    }

    async fn make_instance(&self, schedule: Arc<Schedule>) -> wasmtime::Result<HandlerInstance> {
        let Some(handler) = self.handler() else { wasmtime::bail!("the workload answers no HTTP requests") };
        let (memory, mut store) = new_store(&self.linked, handler.item, schedule)?;
        let handler = match &handler.export {
            HandlerExport::Proxy(pre) => InstanceHandler::Proxy(pre.instantiate_async(&mut store).await?),
            #[cfg(feature = "wasip3")]
            HandlerExport::Service(pre) => InstanceHandler::Service(pre.instantiate_async(&mut store).await?),
        };
        Ok(HandlerInstance { store, handler, _memory: memory, answered: 0 })
    }
}
