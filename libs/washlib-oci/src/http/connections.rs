//! Which host a registry's name stands for, and the HTTP client that may speak to it.
//!
//! Hosts without settings of their own share a client; one with its own authorities or certificate gets its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, Client};
use url::Url;

use super::auth::Authenticator;
use super::identity::{identity, unusable};
use super::proxy::{self, Via};
use crate::error::RegistryError;
use crate::settings::{Protocol, RegistrySettings, Settings};

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("wash/", env!("CARGO_PKG_VERSION"));

/// Connections to all registries, and what is known about them.
pub(crate) struct Transport {
    pub(super) settings: Arc<Settings>,
    pub(super) authenticator: Authenticator,
    /// Which hosts are reached without a proxy.
    pub(super) exceptions: Matcher,
    clients: Mutex<BTreeMap<String, Client>>,
    /// Registries on loopback that turned out to speak HTTPS.
    encrypted: Mutex<BTreeSet<String>>,
}

impl Transport {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            exceptions: proxy::exceptions(&settings.proxies),
            settings,
            authenticator: Authenticator::default(),
            clients: Mutex::default(),
            encrypted: Mutex::default(),
        }
    }

    /// The address of a registry's interface: `https://host/`.
    pub(super) fn base(&self, registry: &str) -> Result<Url, RegistryError> {
        let scheme = if self.is_encrypted(registry) { "https" } else { "http" };
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let text = format!("{scheme}://{host}/");
        text.parse().map_err(|err| RegistryError::Setting(format!("`{registry}` is no name of a registry: {err}")))
    }

    pub(super) fn is_encrypted(&self, registry: &str) -> bool {
        match self.settings.registry(registry).protocol {
            Protocol::Https => true,
            Protocol::PlainHttp => false,
            Protocol::Auto => {
                let found = self.encrypted.lock().unwrap_or_else(PoisonError::into_inner);
                !is_loopback(registry) || found.contains(registry)
            }
        }
    }

    /// Takes note that a registry speaks HTTPS where HTTP was tried; whether it is spoken to so from now on.
    pub(super) fn encrypt(&self, registry: &str) -> bool {
        if self.settings.registry(registry).protocol != Protocol::Auto {
            return false;
        }
        self.encrypted.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned());
        true
    }

    /// The client that speaks to the host of `url`, a registry's or one that a registry sent us to.
    pub(super) fn client(&self, url: &Url) -> Result<Client, RegistryError> {
        let via = self.via(url)?;
        let host = authority(url);
        let special = self.settings.registries.get(&host);
        let has_own = special.is_some_and(|s| !s.certificate_authorities.is_empty() || s.client_certificate.is_some());
        let way = if via.is_some() { "proxied" } else { "direct" };
        let key = match url.scheme() {
            "http" => format!("http {way}"),
            _ if has_own => host,
            _ => format!("https {way}"),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = match url.scheme() {
            "http" => self.plain_client(via.as_ref()),
            _ => self.secure_client(special.filter(|_| has_own), via.as_ref()),
        }?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn plain_client(&self, via: Option<&Via>) -> Result<Client, RegistryError> {
        let builder = self.builder(via)?;
        // Without the system's authorities, which take milliseconds to read. A proxy may be spoken to by TLS.
        build(if via.is_some_and(Via::is_encrypted) { builder } else { builder.tls_certs_only([]) })
    }

    fn secure_client(&self, special: Option<&RegistrySettings>, via: Option<&Via>) -> Result<Client, RegistryError> {
        let own = special.into_iter().flat_map(|special| &special.certificate_authorities);
        let mut authorities = Vec::new();
        for path in self.settings.certificate_authorities.iter().chain(own) {
            let certificates =
                Certificate::from_pem_bundle(&fs_err::read(path)?).map_err(|err| unusable(path, &err))?;
            if certificates.is_empty() {
                return Err(unusable(path, &"it holds no certificate in PEM"));
            }
            authorities.extend(certificates);
        }
        let mut builder = self.builder(via)?.tls_certs_merge(authorities);
        if let Some(files) = special.and_then(|special| special.client_certificate.as_ref()) {
            builder = builder.identity(identity(files)?);
        }
        build(builder)
    }

    fn builder(&self, via: Option<&Via>) -> Result<reqwest::ClientBuilder, RegistryError> {
        // Another provider may have been installed already, and is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            // Followed by ourselves: credentials must not follow to another host.
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .connect_timeout(self.settings.limits.connect)
            .pool_idle_timeout(POOL_IDLE)
            .no_proxy();
        match via {
            Some(via) => Ok(builder.proxy(via.proxy()?)),
            None => Ok(builder),
        }
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, RegistryError> {
    builder.build().map_err(|err| {
        let cause = std::error::Error::source(&err).map(ToString::to_string);
        RegistryError::Setting(format!("TLS cannot be used: {}", cause.unwrap_or_else(|| err.to_string())))
    })
}

/// The host of a URL, with the port where it is not the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether a registry, or the host of a URL, is this machine.
pub fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    let is_name = host == "localhost" || host.ends_with(".localhost");
    is_name || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_and_nothing_else() {
        for registry in ["localhost", "localhost:5000", "a.localhost:1", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in ["ghcr.io", "localhost.example", "10.0.0.1", "[::2]", "127.0.0.1.example:1"] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }

    #[test]
    fn protocols() {
        let mut settings = Settings::default();
        let special = |protocol| RegistrySettings { protocol, ..RegistrySettings::default() };
        settings.registries.insert("plain.example".into(), special(Protocol::PlainHttp));
        settings.registries.insert("localhost:1".into(), special(Protocol::Https));
        let transport = Transport::new(Arc::new(settings));
        let base = |registry: &str| transport.base(registry).unwrap().to_string();
        assert_eq!(base("docker.io"), "https://registry-1.docker.io/");
        assert_eq!(base("plain.example"), "http://plain.example/");
        assert_eq!(base("localhost:1"), "https://localhost:1/");
        assert_eq!(base("localhost:2"), "http://localhost:2/");
        // Of several requests on their way, every one hears that it is to be sent again.
        assert!(transport.encrypt("localhost:2") && transport.encrypt("localhost:2"));
        assert_eq!(base("localhost:2"), "https://localhost:2/");
        assert!(!transport.encrypt("plain.example"));
    }
}
