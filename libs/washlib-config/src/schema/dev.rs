//! The section `dev` and the tables in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{DeclaredPort, EnvironmentLayer, HostPlugin, PullPolicy};
use crate::deserialize::{Place, Shape, Value, section};
use crate::error::ConfigError;
use crate::node::Node;
use crate::origin::Sourced;
use crate::values::one_of;

section! {
    /// How the component is served during development. Paths are relative to the project's root.
    Snake Dev {
        /// The command that builds the component for development; by default `build.command`.
        command: Option<Sourced<String>>,
        /// Where that command leaves the component; by default `build.component_path`.
        component_path: Option<Sourced<PathBuf>>,
        /// The address to serve HTTP on, as `host:port`; see [`Dev::address_or_default`].
        address: Option<Sourced<String>>,
        /// Whether the component runs as a service, once and for as long as the workload, instead of per request.
        service: Option<Sourced<bool>>,
        /// A service component to run beside the main component.
        service_file: Option<Sourced<PathBuf>>,
        /// The OCI reference of a service component to run beside the main component.
        service_image: Option<Sourced<String>>,
        /// When to pull `service_image`.
        service_pull_policy: Option<Sourced<PullPolicy>>,
        /// Ports that the service listens on.
        service_ports: Option<Sourced<Vec<DeclaredPort>>>,
        /// Asks the registries of images without TLS, but for those of which `oci.registries` says more.
        allow_insecure_registries: Option<Sourced<bool>>,
        /// Components to load beside the main one.
        components: Option<Sourced<Vec<Component>>>,
        /// Components that implement interfaces for the workload on the host's side.
        host_plugins: Option<Sourced<Vec<HostPlugin>>>,
        /// Folders of this machine that the components see.
        volumes: Option<Sourced<Vec<Volume>>>,
        /// Environment variables of the development host itself, not of the components.
        environment: BTreeMap<String, Sourced<String>>,
        /// Interfaces that the host provides, with their configuration.
        host_interfaces: Option<Sourced<Vec<WitInterface>>>,
        /// The certificate chain to serve HTTPS with, in PEM.
        tls_cert_path: Option<Sourced<PathBuf>>,
        /// The private key to serve HTTPS with, in PEM.
        tls_key_path: Option<Sourced<PathBuf>>,
        /// The certificates of authorities that clients' certificates are checked against, in PEM.
        tls_ca_path: Option<Sourced<PathBuf>>,
        /// More certificates of authorities that components' HTTPS requests trust, in PEM.
        http_client_ca_paths: Option<Sourced<Vec<PathBuf>>>,
        /// The authorities that components' HTTPS requests trust.
        http_client_trust_roots: Option<Sourced<TrustRoots>>,
        /// How many connections the HTTP listener serves at once.
        max_connections: Option<Sourced<u32>>,
        /// How many connections a workload's outgoing HTTP requests may use at once; those that wait for a request do
        /// not count.
        max_outbound_http_connections_per_workload: Option<Sourced<u32>>,
        /// How many sockets a workload may have that lead out of it.
        max_outbound_socket_connections_per_workload: Option<Sourced<u32>>,
        /// How many connections a workload may have that come in by published ports.
        max_inbound_socket_connections_per_workload: Option<Sourced<u32>>,
        /// How long an outgoing HTTP request waits until it may use a connection, such as `5s`.
        http_connection_wait: Option<Sourced<String>>,
        /// Whether components may use `wasi:webgpu`.
        wasi_webgpu: Option<Sourced<bool>>,
        /// Whether components may use `wasi:otel`.
        wasi_otel: Option<Sourced<bool>>,
        /// A NATS server for messaging, and for key-value and blob storage where nothing else is named for them.
        data_nats_url: Option<Sourced<String>>,
        /// A PostgreSQL database for `wasi:keyvalue` and `wasi:blobstore`, where no folder is named for them.
        postgres_url: Option<Sourced<String>>,
        /// A Redis server for `wasi:keyvalue`; comes before the other key-value stores.
        wasi_keyvalue_redis_url: Option<Sourced<String>>,
        /// A NATS server for `wasi:keyvalue`; comes before `wasi_keyvalue_path`.
        wasi_keyvalue_nats_url: Option<Sourced<String>>,
        /// A folder for `wasi:keyvalue`.
        wasi_keyvalue_path: Option<Sourced<PathBuf>>,
        /// A folder for `wasi:blobstore`.
        wasi_blobstore_path: Option<Sourced<PathBuf>>,
        /// WebAssembly proposals to enable besides the default ones.
        wasm_proposals: Option<Sourced<Vec<String>>>,
        /// Files and folders whose changes are a reason to build, instead of the whole project; they may be outside it.
        watch: Option<Sourced<Vec<PathBuf>>>,
        /// What is no reason to build, as lines of a `.gitignore`.
        ignore: Option<Sourced<Vec<String>>>,
    }
}

impl Dev {
    /// The address to serve HTTP on when none is configured: this machine alone can reach it.
    pub const DEFAULT_ADDRESS: &'static str = "127.0.0.1:8000";

    /// The address to serve HTTP on.
    pub fn address_or_default(&self) -> Sourced<&str> {
        match &self.address {
            Some(address) => address.as_ref().map(String::as_str),
            None => Sourced::from_default(Self::DEFAULT_ADDRESS),
        }
    }
}

section! {
    /// A component to load beside the main one. What it sets comes before what the section `workload` sets.
    Camel Component {
        /// Its name in the workload.
        name: Sourced<String>,
        /// The component's file; either this or `image`.
        file: Option<Sourced<PathBuf>>,
        /// The component's OCI reference; either this or `file`.
        image: Option<Sourced<String>>,
        /// When to pull `image`.
        pull_policy: Option<Sourced<PullPolicy>>,
        /// Environment variables, merged over the workload's.
        environment: EnvironmentLayer,
        /// Values for `wasi:config`, merged over the workload's.
        config: BTreeMap<String, Sourced<String>>,
        /// Hosts that it may send HTTP requests to, instead of the workload's.
        allowed_hosts: Option<Sourced<Vec<String>>>,
        /// Host names that it may look up, instead of the workload's.
        allowed_ip_name_lookups: Option<Sourced<Vec<String>>>,
        /// Ports of this machine's loopback that it may reach, instead of the workload's.
        allowed_host_loopback_ports: Option<Sourced<Vec<String>>>,
        /// How many instances to keep ready for calls; 0 makes one when a call comes.
        pool_size: Option<Sourced<u32>>,
        /// How many calls may be in flight at once, further ones wait; 0 is no limit.
        max_invocations: Option<Sourced<u32>>,
        /// How many calls an instance serves at once.
        max_concurrency: Option<Sourced<u32>>,
    }
}

section! {
    /// A folder of this machine that components see.
    Snake Volume {
        /// The folder on this machine.
        host_path: Sourced<PathBuf>,
        /// The path under which components see it.
        guest_path: Sourced<PathBuf>,
    }
}

section! {
    /// An interface that the host provides.
    Camel WitInterface {
        /// The WIT namespace, such as `wasi`.
        namespace: Sourced<String>,
        /// The WIT package, such as `http`.
        package: Sourced<String>,
        /// The interfaces of the package, such as `incoming-handler`.
        interfaces: Option<Sourced<Vec<String>>>,
        /// The package's version; any when there is none.
        version: Option<Sourced<String>>,
        /// Tells several providers of the same interface apart.
        name: Option<Sourced<String>>,
        /// What the provider is told.
        config: BTreeMap<String, Sourced<String>>,
    }
}

/// The authorities that components' HTTPS requests trust.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrustRoots {
    /// `webpki`: Mozilla's list.
    #[default]
    Webpki,
    /// `webpki-and-native`: Mozilla's list and this machine's.
    WebpkiAndNative,
    /// `native`: this machine's.
    Native,
    /// `extra-only`: those in `http_client_ca_paths` alone.
    ExtraOnly,
}

impl Value for TrustRoots {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let words = [
            ("webpki", Self::Webpki),
            ("webpki-and-native", Self::WebpkiAndNative),
            ("native", Self::Native),
            ("extra-only", Self::ExtraOnly),
        ];
        one_of(node, place, &words)
    }
}
