//! From a workload as it was asked for to one that is ready to be invoked.
//!
//! It registers nothing: a failure here leaves the host as it was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::guest_output::GuestOutput;
use super::http::RequestObserver;
use crate::engine::lineage::{Lineage, ServiceImport};
use crate::engine::linked::Identity;
use crate::engine::outgoing::Egress;
use crate::engine::schedule::Schedule;
use crate::engine::sockets::VirtualNetwork;
use crate::engine::workload::{
    HttpOptions, ItemBase, Loss, ResolvedWorkload, SERVICE_ID, UnresolvedWorkload, WorkloadComponent, WorkloadService,
    http_entry,
};
use crate::engine::{self, AllowedHosts, CompileError, CompiledComponent, Engine, Role};
use crate::host::metrics::WorkloadMetrics;
use crate::plugin::HostPlugin;
use crate::types::{VolumeType, Workload, WorkloadStartRequest};

mod bound;
mod check;
mod error;
mod imports;
mod link;
mod predecessor;

pub(super) use bound::BoundPlugins;
pub use check::InterfaceNameProblem;
pub use error::StartError;
pub use imports::ImportProblem;
use imports::Plan;
pub(super) use imports::{covered, world_of};
use link::{Heritage, Volumes};
pub(super) use predecessor::{Predecessor, ServiceTerms};

/// What answers HTTP requests in WASI 0.2.
const HANDLER: &str = "wasi:http/incoming-handler";

/// What does in WASI 0.3, from where it can be imported too.
const CONCURRENT_HANDLER: &str = "wasi:http/handler";

/// One of which a workload needs that is asked for HTTP requests.
const HANDLERS: &str = if cfg!(feature = "wasip3") {
    "wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3"
} else {
    "wasi:http/incoming-handler@0.2"
};

const RUN: &str = "wasi:cli/run";

/// What a host resolves workloads with.
pub(super) struct Resolver {
    pub(super) engine: Engine,
    pub(super) plugins: Vec<Arc<dyn HostPlugin>>,
    pub(super) output: Arc<dyn GuestOutput>,
    /// How long an instance may take to start.
    pub(super) start_patience: Duration,
    /// How long a request may take to be answered.
    pub(super) request_timeout: Option<Duration>,
    /// How many requests an instance answers.
    pub(super) instance_reuse: u32,
    /// Who watches requests.
    pub(super) request_observer: Option<Arc<dyn RequestObserver>>,
    /// Directories that volumes may be in, with links resolved.
    pub(super) host_path_roots: Vec<PathBuf>,
    /// What guests may do outside.
    pub(super) egress: Egress,
    /// Sockets of each workload that lead out of it.
    pub(super) max_outside_sockets: Option<usize>,
}

/// A workload that is ready to be invoked, and the plugins that know of it.
pub(super) struct Resolved {
    pub(super) workload: Arc<ResolvedWorkload>,
    pub(super) bound: BoundPlugins,
    /// Whether the service of the one whose place it takes is its service too, and goes on.
    pub(super) keeps_service: bool,
}

impl Resolver {
    /// Compiles and links the workload, and starts an instance of each component, so that what cannot start is never
    /// routed to. It may take the place of another one.
    pub(super) async fn resolve(
        &self,
        request: WorkloadStartRequest,
        metrics: Arc<WorkloadMetrics>,
        predecessor: Option<&Predecessor>,
    ) -> Result<Resolved, StartError> {
        let WorkloadStartRequest { workload_id, workload } = request;
        let terms = ServiceTerms::of(&workload);
        check::names(&workload)?;
        check::host_interfaces(&workload, &self.plugins)?;
        let mut http = self.http_options(&workload)?;
        let pool_sizes: Vec<i32> = workload.components.iter().map(|component| component.pool_size).collect();
        let volumes = Volumes::prepare(&workload.volumes, &self.host_path_roots)?;
        let has_scratch = !volumes.scratch.is_empty();
        let mut unresolved = self.compile(workload_id, workload).await?;
        check::exports(&unresolved)?;
        let plan = imports::plan(&unresolved, &self.plugins).map_err(|problems| StartError::Imports { problems })?;
        let predecessor = predecessor.filter(|old| old.service_can_stay(terms.as_ref(), &unresolved, &plan));
        let heritage = Heritage {
            network: predecessor
                .map_or_else(|| VirtualNetwork::with_max_descriptors(self.max_outside_sockets), Predecessor::network),
            lineage: predecessor.map_or_else(Arc::<Lineage>::default, Predecessor::lineage),
            service_imports: service_imports(&unresolved, &plan),
            service_calls: predecessor.and_then(Predecessor::service_calls),
        };

        let mut bound = BoundPlugins { workload_id: unresolved.identity.id.clone(), links: Vec::new() };
        let linked = match self.bind(&mut unresolved, plan, &mut bound).await {
            Ok(()) => link::finish(unresolved, heritage, volumes, &self.output, &self.egress),
            Err(err) => Err(err),
        };
        let resolved = match linked {
            Ok(linked) => {
                let pool_size = linked.handler.as_ref().and_then(|handler| pool_sizes.get(handler.item));
                http.instances_ready = pool_size.map_or(0, |size| usize::try_from(*size).unwrap_or(0));
                let loss = if has_scratch { Loss::Something } else { bound.loss() };
                let workload = ResolvedWorkload::new(linked, http, metrics, loss);
                self.prove(&workload, &bound).await.map(|()| workload)
            }
            Err(err) => Err(err),
        };
        match resolved {
            Ok(workload) => Ok(Resolved { workload, bound, keeps_service: predecessor.is_some() }),
            Err(err) => {
                bound.unbind().await;
                Err(err)
            }
        }
    }

    /// What can be judged of a workload without its components' bytes: names, settings, and what this host provides.
    pub(super) fn check(&self, workload: &Workload) -> Result<HttpOptions, StartError> {
        check::names(workload)?;
        check::host_interfaces(workload, &self.plugins)?;
        if workload.service.is_some() {
            check::name_lookup(&workload.host_interfaces, SERVICE_ID)?;
        }
        for component in &workload.components {
            check::name_lookup(&workload.host_interfaces, &component.name)?;
            AllowedHosts::parse(&component.local_resources.allowed_hosts)?;
        }
        let directories =
            workload.volumes.iter().filter(|volume| matches!(volume.volume_type, VolumeType::HostPath(_)));
        Volumes::prepare(directories, &self.host_path_roots)?;
        self.http_options(workload)
    }

    fn http_options(&self, workload: &Workload) -> Result<HttpOptions, StartError> {
        let mut options = HttpOptions {
            config: None,
            request_timeout: self.request_timeout,
            instance_reuse: self.instance_reuse,
            observer: self.request_observer.clone(),
            instances_ready: 0,
        };
        if let Some(entry) = http_entry(&workload.host_interfaces) {
            check::http_config(entry, &mut options)?;
            options.config = Some(entry.config.clone());
        }
        Ok(options)
    }

    async fn compile(&self, workload_id: String, workload: Workload) -> Result<UnresolvedWorkload, StartError> {
        let engine = self.engine_for(&workload).await?;
        let Workload { namespace, name, service, components, host_interfaces, .. } = workload;
        let identity = Arc::new(Identity { id: workload_id, namespace, name });
        let mut compiled = Vec::new();
        for component in components {
            let code = compile_one(&engine, &component.name, component.bytes).await?;
            let resources = component.local_resources;
            let mut base = ItemBase::new(&engine, Arc::clone(&identity), &component.name, code, resources);
            base.max_invocations = component.max_invocations;
            compiled.push(WorkloadComponent(base));
        }
        let service = match service {
            Some(service) => {
                let code = compile_one(&engine, SERVICE_ID, service.bytes).await?;
                let resources = service.local_resources;
                Some(WorkloadService(ItemBase::new(&engine, Arc::clone(&identity), SERVICE_ID, code, resources)))
            }
            None => None,
        };
        Ok(UnresolvedWorkload { identity, engine, components: compiled, service, host_interfaces })
    }

    /// What the workload's components run on.
    async fn engine_for(&self, workload: &Workload) -> Result<Engine, StartError> {
        let components = workload.components.iter().map(|component| component.bytes.clone());
        let bytes: Vec<_> = components.chain(workload.service.iter().map(|service| service.bytes.clone())).collect();
        let engine = self.engine.clone();
        // Address space is reserved by the first such workload.
        let found = tokio::task::spawn_blocking(move || engine.for_components(bytes.iter().map(|bytes| &**bytes)));
        match found.await {
            Ok(engine) => Ok(engine?),
            // It cannot panic; if it does, the host itself goes on.
            Err(_) => Ok(self.engine.clone()),
        }
    }

    /// Lets plugins and siblings add their functions. `bound` gets every plugin that has met the workload.
    async fn bind(
        &self,
        workload: &mut UnresolvedWorkload,
        mut plan: Plan,
        bound: &mut BoundPlugins,
    ) -> Result<(), StartError> {
        for link in std::mem::take(&mut plan.plugins) {
            let plugin = Arc::clone(&link.plugin);
            let refused = |source: anyhow::Error| StartError::Plugin { plugin: plugin.id(), source };
            let (interfaces, items) = (link.interfaces.clone(), link.items.clone());
            bound.links.push(link);
            plugin.on_workload_bind(workload, interfaces.clone()).await.map_err(refused)?;
            for index in items {
                let Some(mut item) = workload.item_mut(index) else { continue };
                let plugin = Arc::clone(&plugin);
                plugin.on_workload_item_bind(&mut item, interfaces.clone()).await.map_err(refused)?;
            }
        }
        link::link_siblings(workload, &plan)
    }

    /// Starts an instance of each component, and tells the plugins that the workload is complete.
    async fn prove(&self, workload: &ResolvedWorkload, bound: &BoundPlugins) -> Result<(), StartError> {
        let linked = workload.linked();
        for (index, item) in linked.items.iter().enumerate() {
            // A service starts when it runs, and only once.
            if item.role == Role::Service {
                continue;
            }
            let component = || item.id.to_string();
            let failed = |err: wasmtime::Error| StartError::Start { component: component(), source: err.into() };
            let schedule = Arc::new(Schedule::new(None));
            let (_memory, mut store) = engine::new_store(linked, index, schedule).map_err(failed)?;
            let start = item.pre.instantiate_async(&mut store);
            match tokio::time::timeout(self.start_patience, start).await {
                Ok(started) => _ = started.map_err(failed)?,
                Err(_) => {
                    return Err(StartError::StartTimeout { component: component(), patience: self.start_patience });
                }
            }
        }
        bound.resolved(workload).await
    }
}

/// Compiles on a thread that may compute for long, so that requests are answered meanwhile.
async fn compile_one(engine: &Engine, component: &str, bytes: bytes::Bytes) -> Result<CompiledComponent, StartError> {
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || engine.load(&bytes))
        .await
        .unwrap_or(Err(CompileError::Crashed))
        .inspect(|(compiled, origin)| tracing::debug!(component, digest = %compiled.digest(), ?origin, "loaded"))
        .map(|(compiled, _)| compiled)
        .map_err(|source| StartError::Compile { component: component.to_string(), source })
}

/// What the service imports from its siblings.
fn service_imports(workload: &UnresolvedWorkload, plan: &Plan) -> Vec<ServiceImport> {
    let service = workload.service.is_some().then_some(workload.components.len());
    let links = plan.siblings.iter().filter(|link| Some(link.importer) == service);
    links
        .map(|link| ServiceImport { import: link.import.clone(), item: link.exporter, export: link.export.clone() })
        .collect()
}

fn exports_handler(component: &ItemBase) -> bool {
    component.component().exports().iter().any(|export| is_handler(export))
}

/// Whether a service is run; the others are called.
fn is_program(service: &ItemBase) -> bool {
    service.component().exports().iter().any(|export| is_run(export))
}

fn is_handler(name: &str) -> bool {
    is_of(name, HANDLER) || is_of(name, CONCURRENT_HANDLER)
}

/// Whether a component's export makes it a program to run.
fn is_run(name: &str) -> bool {
    is_of(name, RUN)
}

fn is_of(name: &str, interface: &str) -> bool {
    let Some((path, version)) = name.split_once('@') else { return false };
    path == interface && semver::Version::parse(version).is_ok_and(|version| engine::is_supported_wasi(&version))
}
