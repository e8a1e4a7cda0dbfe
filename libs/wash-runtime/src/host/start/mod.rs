//! From a workload as it was asked for to one that is ready to be invoked.
//!
//! It registers nothing: a failure here leaves the host as it was.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::guest_output::GuestOutput;
use super::http::RequestObserver;
use crate::engine::linked::Identity;
use crate::engine::outgoing::Egress;
use crate::engine::schedule::Schedule;
use crate::engine::workload::{
    HttpOptions, ItemBase, ResolvedWorkload, SERVICE_ID, UnresolvedWorkload, WorkloadComponent, WorkloadService,
    http_entry,
};
use crate::engine::{self, Admission, CompileError, CompiledComponent, Engine, EngineError, InvalidAllowedHost, Role};
use crate::plugin::HostPlugin;
use crate::types::{Workload, WorkloadStartRequest};

mod check;
mod imports;
mod link;

pub use check::InterfaceNameProblem;
pub use imports::ImportProblem;
use imports::{Plan, PluginLink};
use link::Volumes;

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

/// Why a workload could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The host is stopping or has stopped.
    #[error("the host has stopped")]
    HostStopped,
    /// Another workload has this id.
    #[error("a workload with the id `{workload_id}` exists already")]
    IdInUse {
        /// The id of the request.
        workload_id: String,
    },
    /// Two components, or two volumes, have the same name. `service` is the service's.
    #[error("two of the workload's parts are named `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// An entry of `host_interfaces` breaks the rules of names.
    #[error("the entry for {interface} in hostInterfaces {problem}")]
    InterfaceName {
        /// The entry.
        interface: String,
        /// Which rule it breaks.
        problem: InterfaceNameProblem,
    },
    /// A setting of an entry in `host_interfaces` has no meaning.
    #[error("`{key}` of {interface} in hostInterfaces is not {expected}: `{value}`")]
    InterfaceConfig {
        /// The entry.
        interface: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// What would have a meaning.
        expected: &'static str,
    },
    /// The workload names interfaces in `host_interfaces` that the host does not provide.
    #[error("this host does not provide {}", interfaces.join(", "))]
    UnknownInterfaces {
        /// The interfaces as `namespace:package/interface`.
        interfaces: Vec<String>,
    },
    /// An entry of `allowed_hosts` is malformed.
    #[error(transparent)]
    AllowedHost(#[from] InvalidAllowedHost),
    /// The engine for WASI 0.3 could not be made.
    #[error("cannot make an engine for components of WASI 0.3")]
    Engine(#[from] EngineError),
    /// The component could not be compiled.
    #[error("cannot compile component `{component}`")]
    Compile {
        /// The component's name.
        component: String,
        /// What is wrong with its bytes.
        source: CompileError,
    },
    /// Imports that nobody provides, or that several do.
    #[error("{}", joined(problems))]
    Imports {
        /// Every import that is wrong.
        problems: Vec<ImportProblem>,
    },
    /// The workload asks for HTTP requests, but cannot answer any.
    #[error("no component exports {HANDLERS}, {}", exported(exports))]
    NoHandler {
        /// What the components export instead.
        exports: Vec<String>,
    },
    /// Several components could answer HTTP requests.
    #[error("each of {} answers HTTP requests, and none of them imports that from another", components.join(", "))]
    SeveralHandlers {
        /// The components' names.
        components: Vec<String>,
    },
    /// The service cannot be run.
    #[error("the service must export wasi:cli/run or exactly one interface, {}", exported(exports))]
    ServiceExports {
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// A component mounts a volume that the workload does not have.
    #[error("`{component}` mounts the volume `{volume}`, which the workload does not have")]
    UnknownVolume {
        /// The component's name.
        component: String,
        /// The volume's name.
        volume: String,
    },
    /// A directory of the host is none that workloads may use.
    #[error("volume `{volume}`: workloads may not use {}", path.display())]
    VolumeNotAllowed {
        /// The volume's name.
        volume: String,
        /// The directory, with links resolved.
        path: PathBuf,
    },
    /// A directory cannot be used.
    #[error("volume `{volume}`: cannot use {}", path.display())]
    Volume {
        /// The volume's name.
        volume: String,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A plugin refused the workload.
    #[error("the plugin `{plugin}` refused the workload")]
    Plugin {
        /// The plugin's id.
        plugin: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The component's types do not fit those of the interfaces it imports or exports.
    #[error("cannot link component `{component}`")]
    Link {
        /// The component's name.
        component: String,
        /// Which types do not fit.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The component failed before it could answer anything.
    #[error("component `{component}` fails when it starts")]
    Start {
        /// The component's name.
        component: String,
        /// The trap.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The component did not finish starting.
    #[error("component `{component}` did not start within {patience:?}")]
    StartTimeout {
        /// The component's name.
        component: String,
        /// How long the host waited.
        patience: Duration,
    },
}

fn joined(problems: &[ImportProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn exported(exports: &[String]) -> String {
    if exports.is_empty() { "it exports nothing".to_string() } else { format!("it exports {}", exports.join(", ")) }
}

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
}

/// A workload that is ready to be invoked, and the plugins that know of it.
pub(super) struct Resolved {
    pub(super) workload: Arc<ResolvedWorkload>,
    pub(super) bound: BoundPlugins,
}

/// The plugins that a workload is bound to.
pub(super) struct BoundPlugins {
    workload_id: String,
    links: Vec<PluginLink>,
}

impl Resolver {
    /// Compiles and links the workload, and starts an instance of each component, so that what cannot start is never
    /// routed to.
    pub(super) async fn resolve(&self, request: WorkloadStartRequest) -> Result<Resolved, StartError> {
        let WorkloadStartRequest { workload_id, workload } = request;
        check::names(&workload)?;
        check::host_interfaces(&workload, &self.plugins)?;
        let mut http = self.http_options(&workload)?;
        let pool_sizes: Vec<i32> = workload.components.iter().map(|component| component.pool_size).collect();
        let volumes = Volumes::prepare(&workload.volumes, &self.host_path_roots)?;
        let admissions =
            workload.components.iter().map(|component| Admission::new(component.max_invocations)).collect();
        let mut unresolved = self.compile(workload_id, workload).await?;
        check::exports(&unresolved)?;
        let plan = imports::plan(&unresolved, &self.plugins).map_err(|problems| StartError::Imports { problems })?;

        let mut bound = BoundPlugins { workload_id: unresolved.identity.id.clone(), links: Vec::new() };
        let linked = match self.bind(&mut unresolved, plan, &mut bound).await {
            Ok(()) => link::finish(unresolved, volumes, &self.output, &self.egress),
            Err(err) => Err(err),
        };
        let resolved = match linked {
            Ok(linked) => {
                let pool_size = linked.handler.as_ref().and_then(|handler| pool_sizes.get(handler.item));
                http.instances_ready = pool_size.map_or(0, |size| usize::try_from(*size).unwrap_or(0));
                let workload = ResolvedWorkload::new(linked, http, admissions);
                self.prove(&workload, &bound).await.map(|()| workload)
            }
            Err(err) => Err(err),
        };
        match resolved {
            Ok(workload) => Ok(Resolved { workload, bound }),
            Err(err) => {
                bound.unbind().await;
                Err(err)
            }
        }
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
            let base = ItemBase::new(&engine, Arc::clone(&identity), &component.name, code, component.local_resources);
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
    #[cfg(feature = "wasip3")]
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

    #[cfg(not(feature = "wasip3"))]
    async fn engine_for(&self, _: &Workload) -> Result<Engine, StartError> {
        Ok(self.engine.clone())
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
            let refused = |source: anyhow::Error| StartError::Plugin { plugin: plugin.id(), source: source.into() };
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
            let mut store = engine::new_store(linked, index, schedule).map_err(failed)?;
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

impl BoundPlugins {
    async fn resolved(&self, workload: &ResolvedWorkload) -> Result<(), StartError> {
        for link in &self.links {
            for index in &link.items {
                let Some(item) = workload.linked().items.get(*index) else { continue };
                link.plugin
                    .on_workload_resolved(workload, &item.id)
                    .await
                    .map_err(|source| StartError::Plugin { plugin: link.plugin.id(), source: source.into() })?;
            }
        }
        Ok(())
    }

    /// Tells the plugins that the workload is gone, the last one first.
    pub(super) async fn unbind(self) {
        for link in self.links.into_iter().rev() {
            if let Err(err) = link.plugin.on_workload_unbind(&self.workload_id, link.interfaces).await {
                tracing::warn!(workload_id = self.workload_id, plugin = link.plugin.id(), "unbinding failed: {err:#}");
            }
        }
    }
}

fn exports_handler(component: &ItemBase) -> bool {
    component.component().exports().iter().any(|export| is_handler(export))
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
