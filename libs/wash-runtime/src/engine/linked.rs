//! A workload's components and service, linked: what every instance of them is made from.
//!
//! It holds no instance; stores do, for as long as an invocation takes.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::InstancePre;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::admission::Admission;
use super::lineage::{Lineage, ServiceImport};
use super::outgoing::Outgoing;
use super::schedule::CpuShare;
use super::scratch::Scratch;
use super::service_calls::ServiceCalls;
use super::sockets::{NameLookup, VirtualNetwork};
use super::{CompiledComponent, Ctx, Engine};
use crate::host::guest_output::GuestStreams;
use crate::types::LocalResources;

/// Who a workload is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Everything that one workload's instances are made from.
pub(crate) struct Linked {
    pub(crate) engine: Engine,
    pub(crate) identity: Arc<Identity>,
    /// The components in the workload's order, then the service if there is one.
    pub(crate) items: Vec<Item>,
    /// The item that answers HTTP requests.
    pub(crate) handler: Option<Handler>,
    /// The line before a service that is called instead of run.
    pub(crate) service_calls: Option<Arc<ServiceCalls>>,
    /// Loopback, as the workload sees it.
    pub(crate) network: Arc<VirtualNetwork>,
    /// What the service calls on its siblings.
    pub(crate) service_imports: Vec<ServiceImport>,
    /// Who else is, was or will be in its place, with the same service.
    pub(crate) lineage: Arc<Lineage>,
    /// Directories that are removed when the workload is gone.
    pub(crate) _scratch: Vec<Scratch>,
}

/// The item that answers HTTP requests.
pub(crate) struct Handler {
    pub(crate) item: usize,
    pub(crate) export: HandlerExport,
}

/// What it is called by.
pub(crate) enum HandlerExport {
    /// `wasi:http/incoming-handler` of WASI 0.2.
    Proxy(ProxyPre<Ctx>),
    /// `wasi:http/handler` of WASI 0.3.
    #[cfg(feature = "wasip3")]
    Service(wasmtime_wasi_http::p3::bindings::ServicePre<Ctx>),
}

/// What an item is in its workload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Instantiated for each invocation.
    Component,
    /// Runs as long as the workload, and may listen on the workload's own loopback.
    Service,
}

/// What every instance of one component or service is made from.
pub(crate) struct Item {
    pub(crate) id: Arc<str>,
    pub(crate) role: Role,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) local_resources: LocalResources,
    /// The way of its HTTP requests out of the host.
    pub(crate) outgoing: Arc<Outgoing>,
    /// Names that it may resolve.
    pub(crate) name_lookup: NameLookup,
    /// Bytes over all memories of an instance.
    pub(crate) memory_limit: Option<usize>,
    pub(crate) cpu_share: Option<CpuShare>,
    pub(crate) output: GuestStreams,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) bindings: Bindings,
    /// How many of its invocations run at once.
    pub(crate) admission: Admission,
    pub(crate) pre: InstancePre<Ctx>,
    /// While this is held, workloads of the same bytes share the code.
    pub(crate) code: CompiledComponent,
}

/// A directory of the host that a guest sees.
pub(crate) struct Mount {
    pub(crate) host_path: PathBuf,
    pub(crate) guest_path: String,
    pub(crate) access: FsPerms,
}

impl Linked {
    pub(crate) fn item(&self, index: usize) -> &Item {
        &self.items[index]
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the item with this id stands in `items`.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.items.iter().position(|item| &*item.id == id)
    }

    /// Where the service stands in `items`.
    pub(crate) fn service(&self) -> Option<usize> {
        self.items.iter().position(|item| item.role == Role::Service)
    }
}

impl Item {
    pub(super) fn new_wasi(&self) -> wasmtime::Result<WasiCtx> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(&self.environment).stdout(self.output.stdout()).stderr(self.output.stderr());
        for mount in &self.mounts {
            wasi.preopened_dir(&mount.host_path, &mount.guest_path, mount.access)?;
        }
        Ok(wasi.build())
    }
}

/// What plugins have attached to an item: at most one value of each type.
#[derive(Default)]
pub(crate) struct Bindings(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Bindings {
    pub(crate) fn set<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.get(&TypeId::of::<T>())?).downcast().ok()
    }
}
