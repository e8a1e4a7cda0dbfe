//! Every error that `wash host` meets, with the hint that helps and the exit code.

use std::io;
use std::net::SocketAddr;

use wash_runtime::host::StartError;
use wash_runtime::host::http::BindError;
use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};

use crate::documents::DocumentError;
use crate::options::OptionError;
use crate::source::{Names, SourceError};

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    match err {
        DiscoverError::NotFound { .. } => CommandError::usage(err)
            .hint("name a component (hello.wasm), a project's folder, or a file of documents (workload.yaml)"),
        other => CommandError::failure(other),
    }
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn document(err: DocumentError) -> CommandError {
    let hint = err.hint();
    let is_machine = matches!(err, DocumentError::Read(_) | DocumentError::Image { .. });
    let err = if is_machine { CommandError::failure(err) } else { CommandError::usage(err) };
    err.hint_if_some(hint)
}

pub(crate) fn option(err: OptionError) -> CommandError {
    let hint = match &err {
        OptionError::NotInEnvironment { name } => Some(format!("set it, or write `--env {name}=value`")),
        OptionError::DocumentsOnly { .. } => Some("write it into the document".to_owned()),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn source(err: SourceError) -> CommandError {
    let hint = match &err {
        SourceError::Registry { .. } => {
            Some("registries come with `wash oci`; until then name a file, as in `wash host run hello.wasm`")
        }
        SourceError::Unknown { .. } => Some("a file of documents ends in .yaml, .yml or .json"),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

/// Two sources with one name.
pub(crate) fn same_name(workload_id: &str) -> CommandError {
    CommandError::usage(format!("two sources are the workload `{workload_id}`"))
        .hint("rename one of the files, or run them in two hosts")
}

/// A component without an HTTP handler, and no function to call.
pub(crate) fn nothing_to_serve(name: &str, names: &Names) -> CommandError {
    let exports = names.exports.join(", ");
    let err = CommandError::usage(format!("component `{name}` answers no HTTP requests; it exports {exports}"));
    if names.exports.iter().any(|export| export.starts_with("wasi:cli/run")) {
        return err.hint("call it once with `--invoke 'wasi:cli/run#run()'`, or make it the `service` of a Workload");
    }
    err.hint("call one of its functions, as in `--invoke 'name-of-function(1, \"text\")'`")
}

/// Why the listener could not be opened.
pub(crate) fn listen(err: anyhow::Error, address: SocketAddr) -> CommandError {
    let kind = err.downcast_ref::<BindError>().map(|err| err.source.kind());
    let hint = match kind {
        Some(io::ErrorKind::AddrInUse) => {
            Some("another program listens there: stop it, or take any free port with `--http-addr 127.0.0.1:0`")
        }
        Some(io::ErrorKind::AddrNotAvailable) => Some("this machine has no such address; 127.0.0.1 always exists"),
        Some(io::ErrorKind::PermissionDenied) => Some("ports below 1024 are reserved; choose a higher one"),
        _ => None,
    };
    let _ = address;
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// What the host itself could not do.
pub(crate) fn host(err: anyhow::Error) -> CommandError {
    CommandError::failure(err.into_boxed_dyn_error())
}

/// Why a workload could not be started.
pub(crate) fn start(err: anyhow::Error, workload_id: &str) -> CommandError {
    let hint = match err.downcast_ref::<StartError>() {
        Some(StartError::NoHandler { .. }) => {
            Some("the component's world must export `wasi:http/incoming-handler@0.2.x`")
        }
        Some(StartError::MissingImports { .. }) => {
            Some("add an entry to `hostInterfaces`, or a component that exports the interface")
        }
        _ => None,
    };
    let err = err.context(format!("cannot start {workload_id}"));
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}
