//! What a [`crate::Client`] is told: registries, credentials, limits, cache, verification.
//!
//! Plain values without a trace of where they were set. The client reads no environment variable and no configuration
//! by itself; for the tools of this workspace, `washlib_registry::configuration` makes settings of both.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::CredentialSources;
use crate::secret::Secret;
use crate::sign::PublicKey;

/// Everything a client is told. The default reaches public registries anonymously, and keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What is special about a registry, by its name: `host` or `host:port`.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// How registries without settings of their own are spoken to.
    pub protocol: Protocol,
    /// Files of certificates in PEM: authorities that are trusted besides those of the system.
    pub certificate_authorities: Vec<PathBuf>,
    /// The ways around the direct one.
    pub proxies: Proxies,
    /// Time limits, attempts, sizes.
    pub limits: Limits,
    /// Where credentials are looked for.
    pub credentials: CredentialSources,
    /// Where artifacts are kept; none keeps them for as long as they are used.
    pub cache: Option<CacheSettings>,
    /// Which artifacts must be signed, and by whom. All rules that apply must be satisfied.
    pub verification: Vec<VerificationRule>,
}

/// What is special about one registry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RegistrySettings {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Files of certificates in PEM: authorities that are trusted for it besides the others.
    pub certificate_authorities: Vec<PathBuf>,
    /// What this machine identifies itself with.
    pub client_certificate: Option<ClientCertificate>,
    /// Registries to pull from before it, the first one first: `host[:port][/prefix]`.
    pub mirrors: Vec<String>,
    /// Blobs above this many bytes are sent in pieces of this size; in one piece where there is none.
    pub upload_chunk: Option<u64>,
}

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// HTTPS; for this machine's own loopback HTTP, unless it turns out to speak HTTPS.
    #[default]
    Auto,
    /// HTTPS, on loopback too.
    Https,
    /// HTTP. Whoever is on the way reads and changes what is sent, credentials too.
    PlainHttp,
}

/// Files, in PEM, of a certificate with its chain and of its private key; they may be the same file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The proxies that requests go through, as in the variables of the same names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxies {
    /// The proxy for HTTP.
    pub http: Option<ProxyServer>,
    /// The proxy for HTTPS.
    pub https: Option<ProxyServer>,
    /// Hosts that are reached directly. Loopback always is.
    pub no_proxy: Option<String>,
}

/// A proxy, as somebody named it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyServer {
    /// Its URL, perhaps with a name and password, or `host:port`. Checked when something is to go through it.
    pub url: Secret,
    /// Where that comes from, for messages, such as `HTTPS_PROXY`.
    pub origin: String,
}

/// Time limits, attempts and sizes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a registry may stay silent.
    pub idle: Duration,
    /// How often something is tried that may succeed later.
    pub attempts: u32,
    /// The longest pause between two attempts that a registry may ask for.
    pub longest_pause: Duration,
    /// The largest blob that is pulled, in bytes.
    pub blob_bytes: u64,
    /// How many blobs are transferred at once.
    pub parallel_blobs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            attempts: 5,
            longest_pause: Duration::from_secs(60),
            blob_bytes: 4 << 30,
            parallel_blobs: 4,
        }
    }
}

/// Where and how much is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheSettings {
    /// The folder, made when something is kept.
    pub folder: PathBuf,
    /// Above this many bytes, what was used longest ago is removed.
    pub max_bytes: u64,
}

impl CacheSettings {
    /// How much is kept where nothing is said: 4 GiB.
    pub const DEFAULT_MAX_BYTES: u64 = 4 << 30;

    /// This folder, with the default limit.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), max_bytes: Self::DEFAULT_MAX_BYTES }
    }
}

/// Artifacts below `scope` count only with a signature by one of `keys`.
#[derive(Clone, Debug)]
pub struct VerificationRule {
    /// A registry, or the beginning of a repository that ends at a slash: `ghcr.io/acme` covers `ghcr.io/acme/hello`.
    /// Empty for everything. As [`canonical_scope`](crate::canonical_scope) writes it.
    pub scope: String,
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
}

impl VerificationRule {
    /// Whether it applies to a repository.
    pub fn covers(&self, repository: &crate::Repository) -> bool {
        // The port of HTTPS may be written or left out.
        let plain = |text: &str| match text.split_once('/') {
            Some((registry, path)) => format!("{}/{path}", registry.strip_suffix(":443").unwrap_or(registry)),
            None => text.strip_suffix(":443").unwrap_or(text).to_owned(),
        };
        let repository = plain(&repository.to_string());
        match repository.strip_prefix(&plain(self.scope.trim_end_matches('/'))) {
            Some(rest) => self.scope.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl Settings {
    /// What is special about a registry; nothing, where nothing is set.
    pub(crate) fn registry(&self, name: &str) -> RegistrySettings {
        self.registries
            .get(name)
            .cloned()
            .unwrap_or_else(|| RegistrySettings { protocol: self.protocol, ..RegistrySettings::default() })
    }
}
