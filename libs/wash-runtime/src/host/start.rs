//! From a workload as it was asked for to one that is ready to answer requests.
//!
//! It registers nothing: a failure here leaves the host as it was.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::guest_output::{GuestOutput, GuestStreams, OutputSource};
use crate::engine::workload::{ResolvedWorkload, WorkloadIdentity};
use crate::engine::{self, AllowedHosts, CompileError, CompiledComponent, Engine, GuestSettings, InvalidAllowedHost};
use crate::types::{Component, Workload, WorkloadStartRequest};
use crate::wit::WitInterface;

const HANDLER: &str = "wasi:http/incoming-handler";

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
    /// The request asks for something that this host cannot do yet.
    #[error("this host does not support {setting} yet")]
    Unsupported {
        /// What was asked for.
        setting: String,
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
    /// The component could not be compiled.
    #[error("cannot compile component `{component}`")]
    Compile {
        /// The component's name.
        component: String,
        /// What is wrong with its bytes.
        source: CompileError,
    },
    /// The component imports what the host does not provide.
    #[error("component `{component}` imports what this host does not provide: {}", interfaces.join(", "))]
    MissingImports {
        /// The component's name.
        component: String,
        /// The imports, as the component names them.
        interfaces: Vec<String>,
    },
    /// The component cannot answer HTTP requests.
    #[error("component `{component}` does not export {HANDLER}@0.2, {}", exported(exports))]
    NoHandler {
        /// The component's name.
        component: String,
        /// What it exports instead.
        exports: Vec<String>,
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

fn exported(exports: &[String]) -> String {
    if exports.is_empty() { "it exports nothing".to_string() } else { format!("it exports {}", exports.join(", ")) }
}

/// Compiles and links the workload and starts one instance of it, so that what cannot start is never routed to.
pub(super) async fn resolve(
    engine: &Engine,
    output: Arc<dyn GuestOutput>,
    patience: Duration,
    request: WorkloadStartRequest,
) -> Result<ResolvedWorkload, StartError> {
    let WorkloadStartRequest { workload_id, workload } = request;
    let component = supported_component(&workload)?.clone();
    let allowed_hosts = AllowedHosts::parse(&component.local_resources.allowed_hosts)?;
    if let Some(digest) = &component.digest {
        tracing::debug!(workload_id, component = component.name, digest, "compiling");
    }

    let compiled = compile(engine, &component).await?;
    let proxy = link(engine, &component.name, &compiled)?;
    let settings = GuestSettings {
        environment: component.local_resources.environment.into_iter().collect(),
        allowed_hosts: Arc::new(allowed_hosts),
        memory_limit: memory_limit(component.local_resources.memory_limit_mb),
        output: GuestStreams::new(
            OutputSource {
                workload_id: workload_id.clone(),
                workload_name: workload.name.clone(),
                component_name: component.name.clone(),
            },
            output,
        ),
    };
    let identity = WorkloadIdentity { id: workload_id, namespace: workload.namespace, name: workload.name };
    let workload = ResolvedWorkload::new(identity, proxy, settings);
    try_start(&workload, component.name, patience).await?;
    Ok(workload)
}

/// The workload's component, if the host can do all that is asked of it.
fn supported_component(workload: &Workload) -> Result<&Component, StartError> {
    let unsupported = |setting: &str| Err(StartError::Unsupported { setting: setting.to_string() });
    let component = match workload.components.as_slice() {
        [component] => component,
        [] => return unsupported("a workload without a component"),
        _ => return unsupported("a workload of several components"),
    };
    if workload.service.is_some() {
        return unsupported("a service in a workload");
    }
    if !workload.volumes.is_empty() || !component.local_resources.volume_mounts.is_empty() {
        return unsupported("volumes");
    }
    if !component.local_resources.config.is_empty() {
        return unsupported("configuration values (`config`)");
    }
    if component.local_resources.cpu_limit > 0 {
        return unsupported("a limit of processor time (`cpu_limit`)");
    }
    if component.max_invocations > 0 {
        return unsupported("a limit of requests in flight (`max_invocations`)");
    }
    check_host_interfaces(&workload.host_interfaces)?;
    Ok(component)
}

fn check_host_interfaces(asked: &[WitInterface]) -> Result<(), StartError> {
    let mut unknown = Vec::new();
    for interface in asked {
        if interface.name.is_some() {
            return Err(StartError::Unsupported { setting: format!("a name for {interface}") });
        }
        if !interface.config.is_empty() {
            return Err(StartError::Unsupported { setting: format!("settings for {interface}") });
        }
        let package = format!("{}:{}", interface.namespace, interface.package);
        let known_version = interface.version.as_ref().is_none_or(engine::is_wasi_0_2);
        for name in &interface.interfaces {
            let path = format!("{package}/{name}");
            if !known_version || !(engine::provides_interface(&package, name) || path == HANDLER) {
                unknown.push(path);
            }
        }
    }
    unknown.sort_unstable();
    if unknown.is_empty() { Ok(()) } else { Err(StartError::UnknownInterfaces { interfaces: unknown }) }
}

/// Compiles on a thread that may compute for long, so that requests are answered meanwhile.
async fn compile(engine: &Engine, component: &Component) -> Result<CompiledComponent, StartError> {
    let (compiler, bytes) = (engine.clone(), component.bytes.clone());
    tokio::task::spawn_blocking(move || compiler.compile(&bytes))
        .await
        .unwrap_or(Err(CompileError::Crashed))
        .map_err(|source| StartError::Compile { component: component.name.clone(), source })
}

fn link(
    engine: &Engine,
    component: &str,
    compiled: &CompiledComponent,
) -> Result<ProxyPre<engine::GuestState>, StartError> {
    let exports = compiled.exports();
    if !exports.iter().any(|export| is_handler(export)) {
        return Err(StartError::NoHandler { component: component.to_string(), exports });
    }
    let interfaces = engine::missing_imports(compiled);
    if !interfaces.is_empty() {
        return Err(StartError::MissingImports { component: component.to_string(), interfaces });
    }
    engine
        .linker()
        .instantiate_pre(compiled.inner())
        .and_then(ProxyPre::new)
        .map_err(|err| StartError::Link { component: component.to_string(), source: err.into() })
}

fn is_handler(export: &str) -> bool {
    let Some((interface, version)) = export.split_once('@') else { return false };
    interface == HANDLER && semver::Version::parse(version).is_ok_and(|version| engine::is_wasi_0_2(&version))
}

fn memory_limit(mebibytes: i32) -> Option<usize> {
    usize::try_from(mebibytes).ok().filter(|limit| *limit > 0).map(|limit| limit.saturating_mul(1 << 20))
}

async fn try_start(workload: &ResolvedWorkload, component: String, patience: Duration) -> Result<(), StartError> {
    let mut store = workload.new_store();
    let start = workload.component().instantiate_async(&mut store);
    match tokio::time::timeout(patience, start).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(err)) => Err(StartError::Start { component, source: err.into() }),
        Err(_) => Err(StartError::StartTimeout { component, patience }),
    }
}
