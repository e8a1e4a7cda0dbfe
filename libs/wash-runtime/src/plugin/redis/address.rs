//! What a Redis server's URL says: where it is, who asks, and how it is spoken to.
//!
//! It connects to nothing. No error of it holds a part of the URL that could be a secret.

use std::path::PathBuf;

use rustls::ClientConfig;
use url::{Host, Url};

use super::RedisError;
use crate::plugin::{server_tls, server_url};

const DEFAULT_PORT: u16 = 6379;

pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
    /// None if the connection is not encrypted.
    pub(super) tls: Option<ClientConfig>,
    /// Host, port and database.
    pub(super) server: String,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, RedisError> {
        let encrypted = text.starts_with("rediss://");
        if !encrypted && !text.starts_with("redis://") {
            return Err(unusable("it begins with neither `redis://` nor `rediss://`"));
        }
        // What the library says names no part of the text.
        let url = Url::parse(text).map_err(|err| unusable(&err.to_string()))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_string(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(unusable("it names no host")),
        };
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or_else(|| unusable("the database behind the host is not a number such as `/0`"))?,
        };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Ok(Self {
            user: Some(decoded(url.username())?).filter(|user| !user.is_empty()),
            password: url.password().map(decoded).transpose()?,
            tls: encrypted.then(|| tls(server_url::certificates(&url).map_err(unusable)?)).transpose()?,
            server: format!("{shown}:{port}/{database}"),
            host,
            port,
            database,
        })
    }
}

fn unusable(reason: &str) -> RedisError {
    RedisError::Url { reason: reason.to_string() }
}

fn decoded(text: &str) -> Result<String, RedisError> {
    server_url::decoded(text).map_err(unusable)
}

fn tls(certificates: Option<PathBuf>) -> Result<ClientConfig, RedisError> {
    let failed = |source| RedisError::Certificates { path: certificates.clone().unwrap_or_default(), source };
    server_tls::trusting(certificates.as_deref()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_server_is_and_who_asks() {
        let address = Address::parse("redis://me:se%40cret@cache.example:7000/2").unwrap();
        assert_eq!(address.server, "cache.example:7000/2");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("me"), Some("se@cret")));
        assert!(address.tls.is_none());
        let address = Address::parse("redis://:secret@[::1]").unwrap();
        assert_eq!((address.server.as_str(), address.user), ("[::1]:6379/0", None));
        assert_eq!((address.host.as_str(), address.password.as_deref()), ("::1", Some("secret")));
        assert!(Address::parse("rediss://localhost").unwrap().tls.is_some());
    }

    #[test]
    fn an_unusable_url_is_told_without_its_secrets() {
        for (url, reason) in [
            ("http://me:secret@cache", "begins with neither"),
            ("me:secret@cache", "begins with neither"),
            ("redis://me:secret@cache:port", "invalid port number"),
            ("redis://me:secret@cache/secret", "not a number"),
            ("redis://me:secret@cache/-1", "not a number"),
            ("rediss://me:secret@cache?secret=1", "a setting other than"),
            ("redis://", "it names no host"),
        ] {
            let message = Address::parse(url).err().unwrap().to_string();
            assert!(message.contains(reason) && !message.contains("secret"), "{url}: {message}");
        }
        let missing = Address::parse("rediss://cache?tls_ca_path=/nowhere/ca.pem").err().unwrap();
        assert_eq!(missing.to_string(), "cannot read the certificates in /nowhere/ca.pem");
    }
}
