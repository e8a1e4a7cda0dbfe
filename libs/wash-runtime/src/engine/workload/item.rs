//! A workload on its way to being linked: what plugins see and add their functions to.
//!
//! Nothing here runs a guest.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::engine::linked::{Bindings, Identity, Role};
use crate::engine::{CompiledComponent, Ctx, Engine};
use crate::types::LocalResources;
use crate::wit::{WitInterface, WitWorld};

/// The id of a workload's service.
pub(crate) const SERVICE_ID: &str = "service";

/// A workload whose components are compiled, and not linked to anything yet.
pub struct UnresolvedWorkload {
    pub(crate) identity: Arc<Identity>,
    /// What all of its components run on.
    pub(crate) engine: Engine,
    pub(crate) components: Vec<WorkloadComponent>,
    pub(crate) service: Option<WorkloadService>,
    pub(crate) host_interfaces: Vec<WitInterface>,
}

/// One of a workload's components.
pub struct WorkloadComponent(pub(crate) ItemBase);

/// A workload's service.
pub struct WorkloadService(pub(crate) ItemBase);

/// A component or the service of a workload.
pub enum WorkloadItem<'a> {
    /// A component.
    Component(&'a mut WorkloadComponent),
    /// The service.
    Service(&'a mut WorkloadService),
}

/// What components and services have in common.
pub struct ItemBase {
    pub(crate) id: Arc<str>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) component: CompiledComponent,
    pub(crate) linker: Linker<Ctx>,
    pub(crate) local_resources: LocalResources,
    pub(crate) bindings: Bindings,
    pub(crate) max_invocations: i32,
}

impl UnresolvedWorkload {
    /// The id it is started with.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// The workload's namespace.
    pub fn namespace(&self) -> &str {
        &self.identity.namespace
    }

    /// The interfaces it asks its host for.
    pub fn host_interfaces(&self) -> &[WitInterface] {
        &self.host_interfaces
    }

    /// Its components.
    pub fn components(&self) -> &[WorkloadComponent] {
        &self.components
    }

    /// Its service.
    pub fn service(&self) -> Option<&WorkloadService> {
        self.service.as_ref()
    }

    /// The components in their order, then the service.
    pub(crate) fn items(&self) -> impl Iterator<Item = (Role, &ItemBase)> {
        let components = self.components.iter().map(|component| (Role::Component, &component.0));
        components.chain(self.service.iter().map(|service| (Role::Service, &service.0)))
    }

    pub(crate) fn item_mut(&mut self, index: usize) -> Option<WorkloadItem<'_>> {
        if index < self.components.len() {
            return self.components.get_mut(index).map(WorkloadItem::Component);
        }
        self.service.as_mut().map(WorkloadItem::Service)
    }
}

impl ItemBase {
    pub(crate) fn new(
        engine: &Engine,
        identity: Arc<Identity>,
        id: &str,
        component: CompiledComponent,
        local_resources: LocalResources,
    ) -> Self {
        let linker = engine.linker().clone();
        let bindings = Bindings::default();
        Self { id: id.into(), identity, component, linker, local_resources, bindings, max_invocations: 0 }
    }

    /// The component's name, or `service`: unique within the workload.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the workload it belongs to.
    pub fn workload_id(&self) -> &str {
        &self.identity.id
    }

    /// The name of the workload it belongs to.
    pub fn workload_name(&self) -> &str {
        &self.identity.name
    }

    /// The namespace of the workload it belongs to.
    pub fn workload_namespace(&self) -> &str {
        &self.identity.namespace
    }

    /// What its instances may use.
    pub fn local_resources(&self) -> &LocalResources {
        &self.local_resources
    }

    /// The compiled component.
    pub fn component(&self) -> &CompiledComponent {
        &self.component
    }

    /// Defines what its instances can import. WASI 0.2 and outgoing HTTP are there already.
    pub fn linker(&mut self) -> &mut Linker<Ctx> {
        &mut self.linker
    }

    /// The interfaces it imports and exports.
    pub fn world(&self) -> WitWorld {
        let interfaces = |names: Vec<String>| names.iter().filter_map(|name| name.parse().ok()).collect();
        WitWorld { imports: interfaces(self.component.imports()), exports: interfaces(self.component.exports()) }
    }

    /// Attaches a value that host functions find again by [`Ctx::binding`]. A value of the same type is replaced.
    pub fn set_binding<T: Any + Send + Sync>(&mut self, value: T) {
        self.bindings.set(value);
    }
}

impl WorkloadItem<'_> {
    /// Whether it is a component.
    pub fn is_component(&self) -> bool {
        matches!(self, Self::Component(_))
    }

    /// Whether it is the service.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service(_))
    }
}

impl Deref for WorkloadItem<'_> {
    type Target = ItemBase;

    fn deref(&self) -> &ItemBase {
        match self {
            Self::Component(component) => &component.0,
            Self::Service(service) => &service.0,
        }
    }
}

impl DerefMut for WorkloadItem<'_> {
    fn deref_mut(&mut self) -> &mut ItemBase {
        match self {
            Self::Component(component) => &mut component.0,
            Self::Service(service) => &mut service.0,
        }
    }
}

impl Deref for WorkloadComponent {
    type Target = ItemBase;

    fn deref(&self) -> &ItemBase {
        &self.0
    }
}

impl DerefMut for WorkloadComponent {
    fn deref_mut(&mut self) -> &mut ItemBase {
        &mut self.0
    }
}

impl Deref for WorkloadService {
    type Target = ItemBase;

    fn deref(&self) -> &ItemBase {
        &self.0
    }
}

impl DerefMut for WorkloadService {
    fn deref_mut(&mut self) -> &mut ItemBase {
        &mut self.0
    }
}
