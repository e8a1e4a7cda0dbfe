//! Every error that `wash dev` meets, with the hint that helps and the exit code.

use std::io;
use std::net::SocketAddr;

use wash_runtime::host::StartError;
use wash_runtime::host::http::BindError;
use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError, Sourced};

use crate::settings::SettingsError;

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    match err {
        DiscoverError::NotFound { .. } => CommandError::usage(err)
            .hint("`wash new http-hello-world` creates a project; `wash -C <dir> dev` serves one elsewhere"),
        other => CommandError::failure(other),
    }
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn settings(err: SettingsError) -> CommandError {
    let hint = match &err {
        SettingsError::Unsupported { .. } => "remove the keys, or comment them out",
        SettingsError::Address { .. } => "an address is an IP address and a port; port 0 takes any free port",
    };
    CommandError::usage(err).hint(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

/// Why the listener could not be opened.
pub(crate) fn listen(err: anyhow::Error, address: &Sourced<SocketAddr>) -> CommandError {
    let kind = err.downcast_ref::<BindError>().map(|err| err.source.kind());
    let origin = address.origin();
    let hint = match kind {
        Some(io::ErrorKind::AddrInUse) => Some(format!(
            "another program listens there: stop it, or choose another port, as in `wash dev --address 127.0.0.1:0` \
             (the address was set by {origin})"
        )),
        Some(io::ErrorKind::AddrNotAvailable) => {
            Some(format!("this machine has no such address (set by {origin}); 127.0.0.1 always exists"))
        }
        Some(io::ErrorKind::PermissionDenied) => Some("ports below 1024 are reserved; choose a higher one".to_owned()),
        _ => None,
    };
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// Why a component could not be put into service.
pub(crate) fn start(err: anyhow::Error) -> CommandError {
    let hint = match err.downcast_ref::<StartError>() {
        Some(StartError::NoHandler { .. }) => {
            Some("`wash dev` serves HTTP: the component's world must export `wasi:http/incoming-handler@0.2.x`")
        }
        Some(StartError::Imports { .. }) => {
            Some("remove the import from wit/world.wit, or run the component on a host that provides it")
        }
        _ => None,
    };
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}
