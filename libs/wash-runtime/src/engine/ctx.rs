//! The host's side of a guest: what the host functions that a guest calls find in its store.
//!
//! A store lives for one invocation, a service's store for one run. It holds one instance, and instances of those
//! siblings that the first one calls. A guest gets WASI 0.2 and outgoing HTTP, and of files, sockets and the environment
//! only what its workload says.

use std::any::Any;
use std::sync::Arc;

use http::HeaderMap;
use wasmtime::component::{Instance, Linker, ResourceTable};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::files::{self, OpenFiles};
use super::headers::{self, HeaderBytes};
use super::linked::{Item, Linked, Role};
use super::memory::BudgetShare;
use super::outgoing::OutgoingHooks;
use super::pool::TABLE_ELEMENTS;
use super::schedule::{Epoch, Schedule};
use super::slots::NoPlace;
use super::sockets::{self, SocketRole, SocketsCtx, SocketsCtxView, SocketsView};
use crate::types::LocalResources;

/// Epochs that a guest may compute before it has to let others run.
const EPOCHS_BEFORE_YIELD: u64 = 1;

/// Calls from sibling to sibling that may stand on one another. Each of them takes a stack of its own.
pub(super) const MAX_CALL_DEPTH: usize = 32;

/// Bytes that an entry of a table takes: a reference.
const TABLE_ENTRY: usize = size_of::<usize>();

/// Resources that the host keeps for a component's invocation. One beyond is a trap.
const MAX_COMPONENT_RESOURCES: usize = 20_000;

/// Resources that the host keeps for a service, which may have thousands of connections.
const MAX_SERVICE_RESOURCES: usize = 200_000;

/// What the host keeps for one store.
///
/// While a guest runs, one item (a component or the service) is active: the one whose code called the host.
pub struct Ctx {
    linked: Arc<Linked>,
    schedule: Arc<Schedule>,
    active: ItemState,
    /// Items that have called the active one, and items that were called earlier.
    resting: Vec<ItemState>,
    instances: Vec<(usize, Instance)>,
    /// Items that wait for a call of theirs, the first one first.
    pub(super) callers: Vec<usize>,
    pub(super) open_files: OpenFiles,
    /// Calls between siblings, each in a store of its own, that have led to this store.
    pub(super) depth: usize,
    /// Whether the workload's service waits for what happens in this store.
    for_service: bool,
    table: ResourceTable,
    http: WasiHttpCtx,
    pub(super) headers: HeaderBytes,
    /// What names the trace that the invocation belongs to, for requests that it sends.
    trace: Option<Arc<HeaderMap>>,
    memory: Arc<BudgetShare>,
}

/// The host's side of one item in one store.
struct ItemState {
    index: usize,
    wasi: WasiCtx,
    outgoing: OutgoingHooks,
    sockets: SocketsCtx,
    memory_used: usize,
}

impl Ctx {
    /// The id of the workload that the guest belongs to.
    pub fn workload_id(&self) -> &str {
        &self.linked.identity.id
    }

    /// The workload's name.
    pub fn workload_name(&self) -> &str {
        &self.linked.identity.name
    }

    /// The workload's namespace.
    pub fn workload_namespace(&self) -> &str {
        &self.linked.identity.namespace
    }

    /// The id of the component or service whose code runs: a component's name, or `service`.
    pub fn component_id(&self) -> &str {
        &self.item().id
    }

    /// What the component or service whose code runs may use.
    pub fn local_resources(&self) -> &LocalResources {
        &self.item().local_resources
    }

    /// Resources that the store's guests hold handles to.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What a plugin has attached to the item whose code runs, by [`super::workload::ItemBase::set_binding`].
    pub fn binding<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.item().bindings.get::<T>()
    }

    pub(crate) fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// Gives a store that is used again the time of its next invocation.
    pub(crate) fn set_schedule(&mut self, schedule: Arc<Schedule>) {
        self.schedule = schedule;
    }

    /// Names the trace that the invocation belongs to.
    pub(crate) fn set_trace(&mut self, trace: Option<Arc<HeaderMap>>) {
        self.trace = trace;
    }

    /// Takes a place for one more instance in this store.
    pub(super) fn add_instance(&self) -> Result<(), NoPlace> {
        self.memory.add_instance()
    }

    /// Takes more of the memory that all guests have together.
    pub(super) fn grow_memory(&mut self, bytes: usize) -> bool {
        self.memory.grow(bytes)
    }

    pub(super) fn linked(&self) -> &Arc<Linked> {
        &self.linked
    }

    /// Whether the workload's service waits for what happens in this store, or runs in it.
    pub(super) fn works_for_service(&self) -> bool {
        self.for_service
    }

    pub(super) fn work_for_service(&mut self) {
        self.for_service = true;
    }

    pub(super) fn item(&self) -> &Item {
        self.linked.item(self.active.index)
    }

    /// Makes another item the active one and returns which it was before.
    pub(super) fn activate(&mut self, index: usize) -> wasmtime::Result<usize> {
        let before = self.active.index;
        if before != index {
            let next = match self.resting.iter().position(|state| state.index == index) {
                Some(position) => self.resting.swap_remove(position),
                None => ItemState::new(&self.linked, index)?,
            };
            let resting = std::mem::replace(&mut self.active, next);
            self.resting.push(resting);
        }
        Ok(before)
    }

    pub(super) fn instance(&self, index: usize) -> Option<Instance> {
        self.instances.iter().find(|(item, _)| *item == index).map(|(_, instance)| *instance)
    }

    pub(crate) fn set_instance(&mut self, index: usize, instance: Instance) {
        self.instances.push((index, instance));
    }

    /// Whether the active item may have so many bytes more.
    fn take_memory(&mut self, more: usize) -> bool {
        let used = self.active.memory_used.saturating_add(more);
        if self.item().memory_limit.is_some_and(|limit| used > limit) || !self.memory.grow(more) {
            return false;
        }
        self.active.memory_used = used;
        true
    }

    /// Decides what happens to a guest that meets the end of an epoch.
    fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        if self.schedule.epoch_ended()? == Epoch::Waited {
            return Ok(UpdateDeadline::Continue(EPOCHS_BEFORE_YIELD));
        }
        let rest = self.item().cpu_share.as_ref().map(|share| share.spend()).filter(|rest| !rest.is_zero());
        Ok(match rest {
            Some(rest) => UpdateDeadline::YieldCustom(EPOCHS_BEFORE_YIELD, Box::pin(tokio::time::sleep(rest))),
            // Tokio's own yield goes behind the I/O driver. A plain wake-up would keep the worker busy with guests that
            // compute, and it would look for new requests only every sixty-first turn.
            None => UpdateDeadline::YieldCustom(EPOCHS_BEFORE_YIELD, Box::pin(tokio::task::yield_now())),
        })
    }
}

impl std::fmt::Debug for Ctx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ctx")
            .field("workload_id", &self.workload_id())
            .field("component_id", &self.component_id())
            .finish_non_exhaustive()
    }
}

impl ItemState {
    fn new(linked: &Linked, index: usize) -> wasmtime::Result<Self> {
        let item = linked.item(index);
        let role = match item.role {
            Role::Component => SocketRole::Component,
            Role::Service => SocketRole::Service,
        };
        Ok(Self {
            index,
            wasi: item.new_wasi()?,
            outgoing: OutgoingHooks::new(Arc::clone(&item.outgoing)),
            sockets: SocketsCtx::new(Arc::clone(&linked.network), role, item.name_lookup.clone()),
            memory_used: 0,
        })
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.active.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.active.outgoing.follow(self.trace.as_ref());
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.active.outgoing }
    }
}

impl SocketsView for Ctx {
    fn sockets(&mut self) -> SocketsCtxView<'_> {
        SocketsCtxView { ctx: &mut self.active.sockets, table: &mut self.table }
    }
}

/// Keeps the sum of an item's memories and tables under its limit, and all guests under the engine's. Beyond either the guest's
/// own request for memory fails, which it may handle.
impl ResourceLimiter for Ctx {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.take_memory(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // A table is filled in one step, in which no other guest has its turn.
        let is_small = desired <= TABLE_ELEMENTS;
        Ok(is_small && self.take_memory(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY)))
    }
}

/// All that components may import without asking, for every workload of an engine.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    sockets::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    files::limit(&mut linker)?;
    headers::limit(&mut linker)?;
    Ok(linker)
}

/// A store for one invocation, with the item active that is invoked, and the store's memory, which its owner drops after
/// the store: only then is it known that its instances have left theirs to the pool.
pub(crate) fn new_store(
    linked: &Arc<Linked>,
    index: usize,
    schedule: Arc<Schedule>,
) -> wasmtime::Result<(Arc<BudgetShare>, Store<Ctx>)> {
    let engine = linked.engine();
    let mut table = ResourceTable::new();
    table.set_max_capacity(match linked.item(index).role {
        Role::Component => MAX_COMPONENT_RESOURCES,
        Role::Service => MAX_SERVICE_RESOURCES,
    });
    let memory = engine.new_memory_share()?;
    let ctx = Ctx {
        linked: Arc::clone(linked),
        schedule,
        active: ItemState::new(linked, index)?,
        resting: Vec::new(),
        instances: Vec::new(),
        callers: Vec::new(),
        open_files: OpenFiles::default(),
        depth: 0,
        for_service: linked.item(index).role == Role::Service,
        table,
        http: WasiHttpCtx::new(),
        headers: HeaderBytes::default(),
        trace: None,
        memory: Arc::clone(&memory),
    };
    let mut store = Store::new(engine.inner(), ctx);
    store.limiter(|ctx| ctx);
    store.set_epoch_deadline(EPOCHS_BEFORE_YIELD);
    store.epoch_deadline_callback(|store| store.data().on_epoch());
    Ok((memory, store))
}
