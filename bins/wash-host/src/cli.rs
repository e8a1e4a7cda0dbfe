//! The command line of `wash host`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use washlib_cli::GlobalArgs;

/// Run WebAssembly components as a host on this machine
///
/// `wash host run` starts a host without a cluster and serves HTTP until it is interrupted. `wash host cache` looks after
/// the compiled code that makes the next start quick.
#[derive(Debug, Parser)]
#[command(name = "wash-host", bin_name = "wash host", version, after_help = AFTER_HELP)]
pub(crate) struct Host {
    #[command(subcommand)]
    pub(crate) command: HostCommand,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    Run(Box<Run>),
    #[command(subcommand)]
    Cache(Cache),
}

/// Run components, projects or Kubernetes documents, and serve them
///
/// A SOURCE is a component (`hello.wasm`), a project's folder, which is built first, a reference in an OCI registry
/// (`ghcr.io/me/hello:1.0.0`), or a YAML or JSON file with the very documents that are applied to a cluster: `Workload`,
/// `WorkloadReplicaSet` and `WorkloadDeployment`, with the `ConfigMap`s, `Secret`s and `Artifact`s that they refer to. In a
/// document, `image: file:hello.wasm` names a file beside it. What only a cluster can do is said in a warning. A folder
/// with such files, and no project, stands for all of them.
///
/// Images of registries are pulled as `wash oci pull` does it: with the same configuration, credentials and cache, and
/// verified where the configuration demands signatures. Credentials in a `Secret` that a document's `imagePullSecret`
/// names come first.
///
/// A workload whose `wasi:http` entry has no `host` answers every request; where there are several such, each answers on
/// `<name>.localhost`.
#[derive(Args, Debug)]
#[command(after_help = RUN_AFTER_HELP)]
pub(crate) struct Run {
    /// A component, a project's folder, a reference in a registry, or a file or folder of Kubernetes documents
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,

    /// Call one function, print its result, and end: `iface#func(args)`, with arguments as WAVE writes values
    #[arg(long, value_name = "CALL")]
    pub(crate) invoke: Option<String>,

    /// Serve what the last build of a project left, without building it
    #[arg(long, alias = "no-build")]
    pub(crate) skip_build: bool,

    /// When a registry is asked what an image is; by default if the cache does not know it
    ///
    /// An `imagePullPolicy` in a document comes first.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) pull_policy: Option<PullWhen>,

    #[command(flatten, next_help_heading = "Listening")]
    pub(crate) listening: Listening,

    #[command(flatten, next_help_heading = "What components and projects get")]
    pub(crate) component: ComponentOptions,

    #[command(flatten, next_help_heading = "What documents get")]
    pub(crate) documents: DocumentOptions,

    #[command(flatten, next_help_heading = "The host")]
    pub(crate) host: HostOptions,
}

/// When a registry is asked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PullWhen {
    /// Each time
    Always,
    /// If the cache does not know the image
    IfNotPresent,
    /// Not at all: the image has to be in the cache
    Never,
}

#[derive(Args, Debug)]
pub(crate) struct Listening {
    /// Where to serve HTTP; port 0 takes any free port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8000")]
    pub(crate) http_addr: SocketAddr,

    /// Serve HTTPS with this certificate chain (PEM); it is read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key_path")]
    pub(crate) tls_cert_path: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert_path")]
    pub(crate) tls_key_path: Option<PathBuf>,

    /// Serve only clients with a certificate from these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert_path")]
    pub(crate) tls_ca_path: Option<PathBuf>,

    /// Where to serve `/livez`, `/readyz` and Prometheus' `/metrics`; nowhere by default
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin_addr: Option<SocketAddr>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct ComponentOptions {
    /// Set an environment variable; NAME alone hands on the host's own
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,

    /// Read environment variables from a file, one `NAME=VALUE` per line; --env comes first
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,

    /// Set a value of `wasi:config`
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) config: Vec<String>,

    /// Let the component see a directory of this machine
    #[arg(long, value_name = "HOST_PATH:GUEST_PATH[:ro]")]
    pub(crate) volume: Vec<String>,

    /// Allow HTTP requests to this host, such as api.example.com or *.example.com; without any, all are allowed
    #[arg(long, value_name = "HOST")]
    pub(crate) allowed_host: Vec<String>,

    /// The linear memory of an instance in MiB; no limit by default
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) memory_limit: Option<i32>,

    /// How many instances to keep ready
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) pool_size: Option<i32>,

    /// How many requests may be in flight at once; further ones are told to come back
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) max_invocations: Option<i32>,

    /// How many requests an instance may answer, one after another; by default each gets a fresh one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) instance_reuse: Option<u32>,

    /// How long a response may keep one waiting, such as 500ms or 30s: for its beginning, and for each next part of its
    /// body [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub(crate) request_timeout: Option<String>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct DocumentOptions {
    /// Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_host_path: Vec<PathBuf>,

    /// Take a file for an image that documents name
    #[arg(long, value_name = "REFERENCE=FILE")]
    pub(crate) image: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct HostOptions {
    /// Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `redis`,
    /// `postgres` or `nats`
    ///
    /// Without it, that is the first of these servers that is named, and memory otherwise.
    #[arg(long, value_name = "BACKEND")]
    pub(crate) keyvalue: Option<String>,

    /// Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `postgres` or
    /// `nats`
    ///
    /// Without it, that is the first of these servers that is named, and memory otherwise.
    #[arg(long, value_name = "BACKEND")]
    pub(crate) blobstore: Option<String>,

    /// A NATS server for messages and data: `nats://user:password@host:port`, or `tls://` for TLS
    ///
    /// Messages of `wasmcloud:messaging` then go over it; data need JetStream. A password belongs into the environment
    /// variable WASH_DATA_NATS_URL, which is read where this option is missing.
    #[arg(long, value_name = "URL")]
    pub(crate) data_nats_url: Option<String>,

    /// A PostgreSQL database for data: `postgres://user:password@host/database`
    ///
    /// Everybody on this machine can see a program's arguments: a password belongs into the environment variable
    /// WASH_POSTGRES_URL, which is read where this option is missing. `pool_size`, `sslmode` and `sslrootcert` may stand
    /// behind a `?`.
    #[arg(long, value_name = "URL")]
    pub(crate) postgres_url: Option<String>,

    /// A Redis server for `wasi:keyvalue`: `redis://user:password@host:port/database`, or `rediss://` for TLS
    ///
    /// A password belongs into the environment variable WASH_REDIS_URL, which is read where this option is missing.
    #[arg(long, value_name = "URL")]
    pub(crate) redis_url: Option<String>,

    /// A name for people
    #[arg(long, visible_alias = "friendly-name", value_name = "NAME", default_value = "wash-host")]
    pub(crate) host_name: String,

    /// How many instances may live at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_instances: Option<u32>,

    /// How long requests in flight may take to finish when the host stops
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) drain_timeout: String,

    #[command(flatten)]
    pub(crate) cache: CacheDir,

    /// Load each workload when a request first wants it
    ///
    /// At the start only what is cheap is checked: that documents are valid, that files exist and begin like components,
    /// that names, settings and interfaces are in order. A component is read, compiled or found in the cache, linked and
    /// tried out when the first request comes, which waits for it. A failure then is the answer to the request, with
    /// status 503, and a later one tries again. Workloads with a service or a subscription are loaded at the start.
    #[arg(long, conflicts_with = "invoke")]
    pub(crate) lazy: bool,

    /// With --lazy, unload workloads that had no request for so long, or `never`
    ///
    /// A workload stays loaded if something would be lost with it: an ephemeral volume, or storage in memory.
    #[arg(long, value_name = "TIME", default_value = "5m", requires = "lazy")]
    pub(crate) unload_after: String,

    /// Neither use nor keep compiled code
    #[arg(long, conflicts_with = "cache_dir")]
    pub(crate) no_cache: bool,
}

#[derive(Args, Debug, Default)]
pub(crate) struct CacheDir {
    /// Where compiled code is kept, instead of `wash/code` in the user's cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// Look after the compiled code that hosts keep
#[derive(Debug, Subcommand)]
#[command(after_help = CACHE_AFTER_HELP)]
pub(crate) enum Cache {
    /// List what is kept, the latest used first
    List(CacheDir),
    /// Remove what has not been used for long
    Prune(Prune),
    /// Remove everything
    Clear(CacheDir),
    /// Check everything that is kept, and remove what is damaged
    Verify(CacheDir),
    /// Print the folder
    Path(CacheDir),
}

#[derive(Args, Debug)]
pub(crate) struct Prune {
    /// How much may stay, in MiB: what has not been used for longest goes first
    #[arg(long, value_name = "MIB", required_unless_present = "max_age")]
    pub(crate) max_size: Option<u64>,

    /// Remove what has not been used for so long, such as 30days
    #[arg(long, value_name = "TIME")]
    pub(crate) max_age: Option<String>,

    #[command(flatten)]
    pub(crate) cache: CacheDir,
}

const AFTER_HELP: &str = "\
Examples:
  wash host run hello.wasm                      Serve a component on 127.0.0.1:8000
  wash host run .                               Build the project in this folder and serve it
  wash host run ghcr.io/me/hello:1.0.0          Pull a component and serve it
  wash host run deployment.yaml                 Serve what a cluster would
  wash host run math.wasm --invoke 'add(1, 2)'  Call one function
  wash host cache list                          What compiled code is kept

Exit status:
  0    done; a host that was ended by Ctrl-C or SIGTERM, after the requests in flight
  1    something could not be started, or the function that was called failed
  2    the command line, the configuration or a document is wrong";

const CACHE_AFTER_HELP: &str = "\
Examples:
  wash host cache list                     What is kept, the latest used first
  wash host cache prune --max-age 30days   Remove what has not been used for a month
  wash host cache verify                   Remove what is damaged";

const RUN_AFTER_HELP: &str = "\
Examples:
  wash host run hello.wasm --env LOG=debug --allowed-host api.example.com
  wash host run hello.wasm --volume ./data:/data:ro --keyvalue filesystem:./kv
  wash host run deployment.yaml --image ghcr.io/me/hello:1=hello.wasm
  wash host run hello.wasm --http-addr 0.0.0.0:8443 --tls-cert-path tls.crt --tls-key-path tls.key
  wash host run workloads/ --lazy               Thousands of workloads, loaded as they are asked for
  wash host run hello.wasm -o json              Print an event per line, for a script
  wash host run math.wasm --invoke 'example:math/ops@1.0.0#add(1, 2)'

Events with `-o json`, by their `type`: `pulling`, `pulled`, `building`, `built`, `started` (with `address`),
`warning`, `workload-started`, `ready` (with `address`), `service-restarting`, `service-completed`, `service-failed`,
`stopping`, `workload-stopped`, `stopped`, and `error` as the last one when it cannot go on. With `--lazy` also
`workload-registered`, `workload-loaded`, `workload-unloaded` and `workload-load-failed`. A program that stops reading
holds nothing up; when it reads again, a `warning` says how many events it has missed.

Environment: WASH_DATA_NATS_URL stands for --data-nats-url, WASH_POSTGRES_URL for --postgres-url, and WASH_REDIS_URL
for --redis-url. OpenTelemetry is on when a variable such as OTEL_EXPORTER_OTLP_ENDPOINT is set.

Exit status:
  0    ended by Ctrl-C or SIGTERM, after the requests in flight; a second one does not wait for them
  1    a workload could not be started, the address is taken, or the function that was called failed
  2    the command line, the configuration or a document is wrong";
