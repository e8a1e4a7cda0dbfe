//! Why workloads do not start.
//!
//! Each step of a start finds its own; here they are put into words.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::HANDLERS;
use super::check::InterfaceNameProblem;
use super::imports::ImportProblem;
use crate::engine::{CompileError, EngineError, InvalidAllowedHost};

/// Why a workload could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The host is stopping or has stopped.
    #[error("the host has stopped")]
    HostStopped,
    /// The workload whose place was to be taken is not running.
    #[error("no workload with the id `{workload_id}` is running")]
    NotRunning {
        /// The id that was given.
        workload_id: String,
    },
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
        /// What the plugin said; its own error is found by `downcast_ref`.
        source: anyhow::Error,
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
