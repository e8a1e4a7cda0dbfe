//! What the development host is started with. It stays as it is until the program ends; the rest of the configuration
//! can change at any time.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use wash_runtime::engine::{OutgoingLimits, TrustRoots};
use wash_runtime::host::http::TlsConfig;
use wash_runtime::standalone::StandardStorage;
use washlib_config::{Config, Project, Sourced, TrustRoots as ConfiguredRoots};

use super::SettingsError;
use super::servers::Servers;

/// The settings of the host itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostSettings {
    pub(crate) address: Sourced<SocketAddr>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) max_connections: Option<u32>,
    /// Certificates of authorities that components' requests trust, besides the usual ones.
    pub(crate) authorities: Vec<PathBuf>,
    /// The usual ones.
    pub(crate) trust_roots: TrustRoots,
    pub(crate) outgoing: OutgoingLimits,
    /// Sockets that components and the service connect to others, at most.
    pub(crate) max_outside_sockets: Option<u32>,
    /// Connections that come in by published ports, at most.
    pub(crate) max_inbound_sockets: Option<u32>,
    pub(crate) keyvalue: Option<PathBuf>,
    pub(crate) blobstore: Option<PathBuf>,
    pub(crate) servers: Servers,
    pub(crate) ports: Vec<PublishedPort>,
}

/// A port of this machine that leads to one that the service listens on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PublishedPort {
    pub(crate) name: String,
    /// The service's port.
    pub(crate) port: u16,
    pub(crate) address: SocketAddr,
}

/// What connections are encrypted with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    client_authority: Option<PathBuf>,
}

impl HostSettings {
    pub(crate) fn new(project: &Project, config: &Config) -> Result<Self, SettingsError> {
        let dev = &config.dev;
        let resolve = |path: &Option<Sourced<PathBuf>>| path.as_ref().map(|path| project.resolve(path.value()));
        let authorities = dev.http_client_ca_paths.iter().flat_map(|paths| paths.value());
        let address = address(config)?;
        let ports = ports(config, address.value().ip())?;
        Ok(Self {
            address,
            ports,
            tls: tls(project, config)?,
            max_connections: number(&dev.max_connections),
            authorities: authorities.map(|path| project.resolve(path)).collect(),
            trust_roots: trust_roots(config)?,
            outgoing: OutgoingLimits {
                max_requests: number(&dev.max_outbound_http_connections_per_workload).map(as_size),
                wait: connection_wait(config)?,
            },
            max_outside_sockets: number(&dev.max_outbound_socket_connections_per_workload),
            max_inbound_sockets: number(&dev.max_inbound_socket_connections_per_workload),
            keyvalue: resolve(&dev.wasi_keyvalue_path),
            blobstore: resolve(&dev.wasi_blobstore_path),
            servers: Servers::new(config)?,
        })
    }

    /// The directories and servers that storage may be on.
    pub(crate) fn storage(&self) -> StandardStorage {
        StandardStorage {
            keyvalue: self.keyvalue.iter().cloned().collect(),
            blobstore: self.blobstore.iter().cloned().collect(),
            postgres: self.servers.postgres.as_ref().map(|named| named.server.clone()),
            redis: self.servers.redis.as_ref().map(|named| named.server.clone()),
            nats: self.servers.nats.as_ref().map(|named| named.server.clone()),
            keyvalue_nats: self.servers.keyvalue_nats.as_ref().map(|named| named.server.clone()),
        }
    }

    /// The keys in which another configuration differs from this one, as far as they need a restart.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("dev.address", self.address != other.address),
            ("dev.tls_cert_path, dev.tls_key_path or dev.tls_ca_path", self.tls != other.tls),
            ("dev.max_connections", self.max_connections != other.max_connections),
            ("dev.http_client_ca_paths", self.authorities != other.authorities),
            ("dev.http_client_trust_roots", self.trust_roots != other.trust_roots),
            (
                "dev.max_outbound_http_connections_per_workload",
                self.outgoing.max_requests != other.outgoing.max_requests,
            ),
            ("dev.http_connection_wait", self.outgoing.wait != other.outgoing.wait),
            ("dev.max_outbound_socket_connections_per_workload", self.max_outside_sockets != other.max_outside_sockets),
            ("dev.max_inbound_socket_connections_per_workload", self.max_inbound_sockets != other.max_inbound_sockets),
            ("dev.service_ports", self.ports != other.ports),
            ("dev.wasi_keyvalue_path", self.keyvalue != other.keyvalue),
            ("dev.wasi_blobstore_path", self.blobstore != other.blobstore),
            ("dev.postgres_url", self.servers.postgres != other.servers.postgres),
            ("dev.data_nats_url", self.servers.nats != other.servers.nats),
            ("dev.wasi_keyvalue_nats_url", self.servers.keyvalue_nats != other.servers.keyvalue_nats),
            ("dev.wasi_keyvalue_redis_url", self.servers.redis != other.servers.redis),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

impl TlsFiles {
    pub(crate) fn config(&self) -> TlsConfig {
        let config = TlsConfig::new(&self.certificate, &self.key);
        match &self.client_authority {
            Some(authority) => config.with_client_ca(authority),
            None => config,
        }
    }
}

/// A limit as the runtime counts.
pub(crate) fn as_size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn number(limit: &Option<Sourced<u32>>) -> Option<u32> {
    limit.as_ref().map(|limit| *limit.value())
}

fn trust_roots(config: &Config) -> Result<TrustRoots, SettingsError> {
    let dev = &config.dev;
    let Some(roots) = &dev.http_client_trust_roots else { return Ok(TrustRoots::default()) };
    match roots.value() {
        ConfiguredRoots::Webpki => Ok(TrustRoots::Browsers),
        ConfiguredRoots::WebpkiAndNative => Ok(TrustRoots::BrowsersAndMachine),
        ConfiguredRoots::Native => Ok(TrustRoots::Machine),
        ConfiguredRoots::ExtraOnly if dev.http_client_ca_paths.is_none() => Err(SettingsError::Together {
            set: "`extra-only` in dev.http_client_trust_roots",
            missing: "dev.http_client_ca_paths",
            origin: roots.origin().clone(),
        }),
        ConfiguredRoots::ExtraOnly => Ok(TrustRoots::ExtraOnly),
    }
}

fn connection_wait(config: &Config) -> Result<Option<Duration>, SettingsError> {
    let Some(wait) = &config.dev.http_connection_wait else { return Ok(None) };
    humantime::parse_duration(wait.value()).map(Some).map_err(|_| SettingsError::Duration {
        value: wait.value().clone(),
        key: "dev.http_connection_wait",
        origin: wait.origin().clone(),
    })
}

fn address(config: &Config) -> Result<Sourced<SocketAddr>, SettingsError> {
    let address = config.dev.address_or_default();
    // `localhost` as everyone types it, but never whatever else a resolver might make of it.
    let literal = address.value().replacen("localhost:", "127.0.0.1:", 1);
    match literal.parse() {
        Ok(parsed) => Ok(Sourced::new(parsed, address.origin().clone())),
        Err(_) => {
            Err(SettingsError::Address { address: (*address.value()).to_owned(), origin: address.origin().clone() })
        }
    }
}

/// Those with `publish`, on the address that HTTP is served on; others concern components alone.
fn ports(config: &Config, ip: IpAddr) -> Result<Vec<PublishedPort>, SettingsError> {
    let dev = &config.dev;
    let Some(ports) = &dev.service_ports else { return Ok(Vec::new()) };
    let is_service = dev.service.as_ref().is_some_and(|service| *service.value());
    if !ports.value().is_empty() && !is_service && dev.service_file.is_none() && dev.service_image.is_none() {
        return Err(SettingsError::Together {
            set: "dev.service_ports",
            missing: "dev.service, dev.service_file or dev.service_image",
            origin: ports.origin().clone(),
        });
    }
    let published = ports.value().iter().filter_map(|port| {
        let publish = port.publish.as_ref()?;
        Some(PublishedPort {
            name: port.name.value().clone(),
            port: *port.port.value(),
            address: SocketAddr::new(ip, *publish.value()),
        })
    });
    Ok(published.collect())
}

fn tls(project: &Project, config: &Config) -> Result<Option<TlsFiles>, SettingsError> {
    let dev = &config.dev;
    let together = |set: &'static str, missing: &'static str, path: &Sourced<PathBuf>| SettingsError::Together {
        set,
        missing,
        origin: path.origin().clone(),
    };
    match (&dev.tls_cert_path, &dev.tls_key_path, &dev.tls_ca_path) {
        (Some(certificate), Some(key), authority) => Ok(Some(TlsFiles {
            certificate: project.resolve(certificate.value()),
            key: project.resolve(key.value()),
            client_authority: authority.as_ref().map(|path| project.resolve(path.value())),
        })),
        (Some(certificate), None, _) => Err(together("dev.tls_cert_path", "dev.tls_key_path", certificate)),
        (None, Some(key), _) => Err(together("dev.tls_key_path", "dev.tls_cert_path", key)),
        (None, None, Some(authority)) => Err(together("dev.tls_ca_path", "dev.tls_cert_path", authority)),
        (None, None, None) => Ok(None),
    }
}
