//! Every error that `wash host` meets, with the hint that helps and the exit code.

use std::io;
use std::net::SocketAddr;

use wash_runtime::engine::code_cache::CodeCacheError;
use wash_runtime::host::StartError;
use wash_runtime::host::http::{BindError, TlsError};
use wash_runtime::host::invoke::InvokeError;
use wash_runtime::oci::ImageError;
use wash_runtime::oci::client::PullError;
use wash_runtime::plugin::nats::NatsError;
use wash_runtime::plugin::redis::RedisError;
use wash_runtime::plugin::wasmcloud_postgres::PostgresError;
use wash_runtime::standalone::Names;
use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};
use washlib_workload::{ResourceError, ValueError};

use crate::documents::DocumentError;
use crate::options::OptionError;
use crate::source::SourceError;
use crate::telemetry::TelemetryError;

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

/// What a project's configuration gives to its component and cannot be had.
pub(crate) fn resources(err: ResourceError) -> CommandError {
    let hint = match &err {
        ResourceError::Environment { source, .. } => ValueError::hint(source),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

/// Why an image of a registry cannot be run.
pub(crate) fn image(err: ImageError) -> CommandError {
    let hint = match &err {
        // What the registry's own tool says with flags, the configuration says with keys.
        ImageError::Pull(PullError::Registry { source, .. }) => source.hint().map(|hint| {
            hint.replace("`--insecure`", "`plain_http: true` for it in `oci.registries`")
                .replace("`--ca-path`", "`oci.ca_paths`")
        }),
        ImageError::Pull(PullError::NotCached { .. }) => Some(
            "`--pull-policy if-not-present`, or the same as the document's `imagePullPolicy`, asks the registry"
                .to_owned(),
        ),
        ImageError::CoreModule(reference) => {
            Some(format!("`wash inspect {reference}` says more; `wash build` makes components of modules"))
        }
        _ => None,
    };
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
        OptionError::NoServer { variable, .. } => Some(format!("name one in the environment variable {variable}")),
        OptionError::Nats(NatsError::Url { .. }) => {
            Some("write `nats://user:password@host:port`, or `tls://` for TLS".to_owned())
        }
        OptionError::Postgres(PostgresError::Url { .. }) => {
            Some("write `postgres://user:password@host:port/database`".to_owned())
        }
        OptionError::Redis(RedisError::Url { .. }) => {
            Some("write `redis://user:password@host:port/database`, or `rediss://` for TLS".to_owned())
        }
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn source(err: SourceError) -> CommandError {
    let hint = match &err {
        SourceError::Reference { .. } => Some("write it as in `wash host run ghcr.io/me/hello:1.0.0`"),
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
pub(crate) fn listen(err: anyhow::Error) -> CommandError {
    let kind = err.downcast_ref::<BindError>().map(|err| err.source.kind());
    let hint = match kind {
        Some(io::ErrorKind::AddrInUse) => {
            Some("another program listens there: stop it, or take any free port with `--http-addr 127.0.0.1:0`")
        }
        Some(io::ErrorKind::AddrNotAvailable) => Some("this machine has no such address; 127.0.0.1 always exists"),
        Some(io::ErrorKind::PermissionDenied) => Some("ports below 1024 are reserved; choose a higher one"),
        _ => None,
    };
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// Why connections cannot be encrypted.
pub(crate) fn tls(err: TlsError) -> CommandError {
    CommandError::usage(err)
}

/// Why the admin address could not be opened.
pub(crate) fn admin(address: SocketAddr, source: io::Error) -> CommandError {
    let hint =
        (source.kind() == io::ErrorKind::AddrInUse).then_some("another program listens there; choose another port");
    let err = anyhow::Error::new(source).context(format!("cannot listen on {address}, the admin address"));
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// What the environment asks for and cannot be sent.
pub(crate) fn telemetry(err: TelemetryError) -> CommandError {
    CommandError::usage(err).hint("OTEL_SDK_DISABLED=true switches OpenTelemetry off")
}

/// What the cache of compiled code could not do.
pub(crate) fn cache(err: CodeCacheError) -> CommandError {
    let hint = match &err {
        CodeCacheError::WritableByOthers { path, .. } => {
            Some(format!("`chmod 700 {}` keeps others out", path.display()))
        }
        CodeCacheError::ForeignOwner { .. } => Some("name a folder of your own with --cache-dir".to_owned()),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

/// Nobody knows where the user's caches are.
pub(crate) fn no_cache_folder() -> CommandError {
    CommandError::usage("neither XDG_CACHE_HOME nor HOME says where caches are").hint("name a folder with --cache-dir")
}

/// What the host itself could not do.
pub(crate) fn host(err: anyhow::Error) -> CommandError {
    let start = |option, variable| {
        Some(format!("start the server there, or correct {option} or {variable}, whichever names it"))
    };
    let hint = if let Some(RedisError::Connect { .. }) = err.downcast_ref() {
        start("--redis-url", "WASH_REDIS_URL")
    } else if let Some(NatsError::Connect { .. }) = err.downcast_ref() {
        start("--data-nats-url", "WASH_DATA_NATS_URL")
    } else {
        match err.downcast_ref() {
            Some(PostgresError::Connect { .. }) => start("--postgres-url", "WASH_POSTGRES_URL"),
            Some(PostgresError::Tables { .. }) => {
                Some("the user needs the right to create a schema in this database".to_owned())
            }
            _ => None,
        }
    };
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// Why a workload could not be started.
pub(crate) fn start(err: anyhow::Error, workload_id: &str) -> CommandError {
    let hint = match err.downcast_ref::<StartError>() {
        None if matches!(err.downcast_ref(), Some(NatsError::JetStream { .. })) => {
            Some("start the server with JetStream, as in `nats-server --jetstream`, or keep data elsewhere".to_owned())
        }
        None if matches!(err.downcast_ref(), Some(NatsError::Connect { .. }))
            || matches!(err.downcast_ref(), Some(RedisError::Connect { .. })) =>
        {
            Some("start the server there, or correct the `url` that names it".to_owned())
        }
        Some(StartError::NoHandler { .. }) => Some(
            "a component's world must export `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x`"
                .to_owned(),
        ),
        Some(StartError::VolumeNotAllowed { path, .. }) => {
            Some(format!("`--allow-host-path {}` allows it", path.display()))
        }
        _ => None,
    };
    let err = err.context(format!("cannot start {workload_id}"));
    CommandError::failure(err.into_boxed_dyn_error()).hint_if_some(hint)
}

/// Why a function could not be called, or what it failed with.
pub(crate) fn invoke(err: InvokeError) -> CommandError {
    let hints = match &err {
        InvokeError::UnknownFunction { nearest, exports, .. } => {
            let nearest = nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"));
            let all = match exports.as_slice() {
                [] => "the component exports no function".to_owned(),
                exports => format!("there is: {}", exports.join("; ")),
            };
            nearest.into_iter().chain([all]).collect()
        }
        InvokeError::Arguments { signature, .. } | InvokeError::Unsupported { signature, .. } => {
            vec![format!("its signature is {signature}")]
        }
        InvokeError::Ambiguous { .. } => vec!["write the interface too, as in `interface#function()`".to_owned()],
        InvokeError::Syntax { .. } => vec!["text goes in double quotes: `--invoke 'greet(\"world\")'`".to_owned()],
        _ => Vec::new(),
    };
    let is_usage = matches!(
        err,
        InvokeError::Syntax { .. }
            | InvokeError::UnknownFunction { .. }
            | InvokeError::Ambiguous { .. }
            | InvokeError::Arguments { .. }
            | InvokeError::Unsupported { .. }
    );
    let err = if is_usage { CommandError::usage(err) } else { CommandError::failure(err) };
    hints.into_iter().fold(err, CommandError::hint)
}

/// A function that returned an error.
pub(crate) fn returned_error(call: &str) -> CommandError {
    CommandError::failure(format!("`{call}` returned an error"))
}

/// `--invoke` with something else than one workload.
pub(crate) fn invoke_needs_one(workloads: usize) -> CommandError {
    CommandError::usage(format!("--invoke calls a function of one workload, and there are {workloads}"))
}
