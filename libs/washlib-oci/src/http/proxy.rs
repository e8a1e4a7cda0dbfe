//! Which proxy a request goes through, and who is to blame when it does not arrive.
//!
//! Whether a host is excepted is what the HTTP client's own rules say.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Proxy;
use url::Url;

use super::connections::{Transport, authority, is_loopback};
use crate::error::{RegistryError, chain, printable};
use crate::settings::{Proxies, ProxyServer};

/// Stands for any, where it only matters whether there is one.
const SOME_PROXY: &str = "http://proxy";

/// A proxy on the way to a host. Shown without the name and password that its address may hold.
pub(super) struct Via {
    address: Url,
    origin: String,
}

/// What tells hosts that are reached through a proxy from those that are not.
pub(super) fn exceptions(proxies: &Proxies) -> Matcher {
    Matcher::builder().all(SOME_PROXY).no(proxies.no_proxy.as_deref().unwrap_or_default()).build()
}

impl Transport {
    /// The proxy through which a URL is reached. Loopback is never behind one.
    pub(super) fn via(&self, url: &Url) -> Result<Option<Via>, RegistryError> {
        let proxies = &self.settings.proxies;
        let server = if url.scheme() == "http" { &proxies.http } else { &proxies.https };
        let Some(server) = server.as_ref().filter(|_| !is_loopback(&authority(url))) else { return Ok(None) };
        let uri = url.as_str().parse::<Uri>();
        if uri.is_ok_and(|uri| self.exceptions.intercept(&uri).is_none()) {
            return Ok(None);
        }
        Via::new(server).map(Some)
    }

    /// A request that did not arrive, or whose answer did not.
    pub(super) fn failure(&self, url: &Url, source: reqwest::Error) -> RegistryError {
        let (host, source) = (authority(url), source.without_url());
        // One that makes no sense was an error before anything was sent.
        let Some(via) = self.via(url).ok().flatten() else { return RegistryError::Connect { host, source } };
        let texts = chain(&source);
        let is_tunnel = texts.contains("tunnel error");
        let is_plain = url.scheme() == "http";
        if texts.contains("failed to create underlying connection") || (is_plain && source.is_connect()) {
            RegistryError::ProxyUnreachable { proxy: via.to_string(), host, source }
        } else if is_tunnel || is_plain || source.is_timeout() {
            RegistryError::ProxyFailed { proxy: via.to_string(), host, source }
        } else {
            RegistryError::Connect { host, source }
        }
    }

    /// What a host is called when nothing comes from it: the silence may be that of its proxy.
    pub(super) fn called(&self, url: &Url) -> String {
        match self.via(url) {
            Ok(Some(via)) => format!("{}, through {via},", authority(url)),
            _ => authority(url),
        }
    }
}

impl Via {
    fn new(server: &ProxyServer) -> Result<Self, RegistryError> {
        let ProxyServer { url, origin } = server;
        let text = url.expose().trim();
        // Everybody takes `host:port` too.
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        // Its text is not shown: it may hold a password.
        let address = Url::parse(&text).ok().filter(Url::has_host);
        let address =
            address.ok_or_else(|| RegistryError::Setting(format!("the value of {origin} is no URL of a proxy")))?;
        match address.scheme() {
            "http" | "https" => Ok(Self { address, origin: origin.clone() }),
            scheme => Err(RegistryError::Setting(format!(
                "the proxy in {origin} speaks `{}`; only `http` and `https` are known",
                printable(scheme)
            ))),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.address.scheme() == "https"
    }

    /// For the client that speaks to hosts behind it alone.
    pub(super) fn proxy(&self) -> Result<Proxy, RegistryError> {
        let unusable = |_| RegistryError::Setting(format!("the value of {} is no URL of a proxy", self.origin));
        Proxy::all(self.address.clone()).map_err(unusable)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}://{} (from {})", self.address.scheme(), authority(&self.address), self.origin)
    }
}
