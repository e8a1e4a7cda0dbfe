//! Every error that `wash dev` meets, with the hint that helps and the exit code.

use std::io;

use wash_runtime::host::StartError;
use wash_runtime::host::http::{BindError, TlsError};
use wash_runtime::oci::ImageError;
use wash_runtime::plugin::nats::NatsError;
use wash_runtime::plugin::redis::RedisError;
use wash_runtime::plugin::wasmcloud_postgres::PostgresError;
use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};
use washlib_registry::PullError;
use washlib_registry::wit::FetchError;

use crate::artifacts::ArtifactError;
use crate::missing_imports::{ImportsError, unknown_interfaces};
use crate::port_holder;
use crate::ports::PortError;
use crate::report::ComponentWorld;
use crate::settings::{HostSettings, Plan, SettingsError};

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
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

/// A component's file that cannot be read.
pub(crate) fn artifact(err: ArtifactError) -> CommandError {
    let hint = matches!(err, ArtifactError::Missing { .. }).then_some(
        "the build command has to leave every file that dev.components and dev.service_file name, or somebody before it",
    );
    CommandError::failure(err).hint_if_some(hint)
}

/// WIT that cannot be fetched.
pub(crate) fn fetch(err: FetchError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

/// An image that cannot be had.
pub(crate) fn image(err: ImageError) -> CommandError {
    let hint = match &err {
        // What the registry's own tool says with flags, the configuration says with keys.
        ImageError::Pull(PullError::Registry { source, .. }) => source.hint().map(|hint| {
            hint.replace("`--insecure`", "`plain_http: true` for it in `oci.registries`")
                .replace("`--ca-path`", "`oci.ca_paths`")
        }),
        ImageError::Pull(PullError::NotCached { reference, .. }) => Some(format!(
            "`wash oci pull {reference}` puts it there; without `pullPolicy: never` it is pulled at the start"
        )),
        ImageError::CoreModule(reference) => {
            Some(format!("`wash inspect {reference}` says more; `wash build` makes components of modules"))
        }
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

/// Why the host could not be set up: mostly because it cannot listen, or because a server is not there.
pub(crate) fn listen(err: anyhow::Error, host: &HostSettings) -> CommandError {
    if err.is::<TlsError>() {
        return CommandError::usage(err.into_boxed_dyn_error());
    }
    if let Some(PortError { address, source, .. }) = err.downcast_ref() {
        let holder = port_holder::find(*address).filter(|_| source.kind() == io::ErrorKind::AddrInUse);
        let hint =
            holder.map(|holder| format!("{holder} listens there: stop it, or change `publish` in dev.service_ports"));
        return CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint);
    }
    let tables = matches!(err.downcast_ref(), Some(PostgresError::Tables { .. }));
    if tables {
        return CommandError::failure(err.into_boxed_dyn_error())
            .hint("the user needs the right to create a schema in this database");
    }
    if let Some(server) = unreachable_server(&err) {
        let key = host.servers.key_of(server);
        let hint = key.map(|(key, origin)| format!("start the server there, or correct {key} ({origin})"));
        return CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint);
    }
    let address = &host.address;
    let kind = err.downcast_ref::<BindError>().map(|err| err.source.kind());
    let origin = address.origin();
    let hint = match kind {
        Some(io::ErrorKind::AddrInUse) => {
            let holder = match port_holder::find(*address.value()) {
                Some(holder) => format!("{holder} listens there"),
                None => "another program listens there".to_owned(),
            };
            Some(format!(
                "{holder}: stop it, or choose another port, as in `wash dev --address 127.0.0.1:0` (the address was set \
                 by {origin})"
            ))
        }
        Some(io::ErrorKind::AddrNotAvailable) => {
            Some(format!("this machine has no such address (set by {origin}); 127.0.0.1 always exists"))
        }
        Some(io::ErrorKind::PermissionDenied) => Some("ports below 1024 are reserved; choose a higher one".to_owned()),
        _ => None,
    };
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// The server that no connection came about with, as its errors call it.
fn unreachable_server(err: &anyhow::Error) -> Option<&str> {
    if let Some(PostgresError::Connect { server, .. }) = err.downcast_ref() {
        return Some(server);
    }
    if let Some(NatsError::Connect { server, .. }) = err.downcast_ref() {
        return Some(server);
    }
    if let Some(RedisError::Connect { server, .. }) = err.downcast_ref() {
        return Some(server);
    }
    None
}

/// Why a version could not be put into service. `worlds` are those of the plan's components.
pub(crate) fn start(err: anyhow::Error, plan: &Plan, worlds: &[ComponentWorld]) -> CommandError {
    if unreachable_server(&err).is_some() {
        return CommandError::failure(err.into_boxed_dyn_error())
            .hint("start the server there, or correct the `url` of the entry in dev.host_interfaces that names it");
    }
    if let Some(NatsError::JetStream { .. }) = err.downcast_ref() {
        return CommandError::failure(err.into_boxed_dyn_error())
            .hint("start the server with JetStream, as in `nats-server --jetstream`, or keep data elsewhere");
    }
    if let Some(StartError::Imports { problems }) = err.downcast_ref() {
        let err = ImportsError::new(problems);
        let hints = err.hints(plan, worlds);
        return hints.into_iter().fold(CommandError::failure(err), CommandError::hint);
    }
    let hints = match err.downcast_ref::<StartError>() {
        Some(StartError::NoHandler { exports }) => no_handler(exports, plan.syntax.file()),
        Some(StartError::UnknownInterfaces { interfaces }) => unknown_interfaces(interfaces, plan, worlds),
        Some(StartError::ServiceExports { .. }) => {
            vec!["a service is a program: it exports `wasi:cli/run`, as `fn main` of a Rust binary does".to_owned()]
        }
        _ => Vec::new(),
    };
    hints.into_iter().fold(CommandError::failure(err.into_boxed_dyn_error()), CommandError::hint)
}

fn no_handler(exports: &[String], file: &str) -> Vec<String> {
    let mut hints =
        vec!["`wash dev` serves HTTP: the component's world must export `wasi:http/incoming-handler@0.2.x`".to_owned()];
    if exports.iter().any(|export| export.starts_with("wasi:cli/run")) {
        hints.insert(0, format!("`dev.service: true` in {file} runs this component as a service"));
    }
    hints
}
