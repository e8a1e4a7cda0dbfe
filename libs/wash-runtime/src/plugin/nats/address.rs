//! What the URL of NATS servers says: where they are, who asks, and how they are spoken to.
//!
//! It connects to nothing. No error of it holds a part of the URL that could be a secret.

use async_nats::{ConnectOptions, ServerAddr};
use rustls::ClientConfig;
use url::Url;

use super::NatsError;
use crate::plugin::{server_tls, server_url};

const DEFAULT_PORT: u16 = 4222;

pub(super) struct Address {
    /// Without users and passwords.
    pub(super) servers: Vec<ServerAddr>,
    /// Hosts and ports, separated by commas.
    pub(super) server: String,
    who: Option<Who>,
    encrypted: bool,
    tls: ClientConfig,
}

enum Who {
    User(String, String),
    Token(String),
}

impl Address {
    /// Several servers of one cluster are separated by commas.
    pub(super) fn parse(text: &str) -> Result<Self, NatsError> {
        let (mut servers, mut shown, mut who) = (Vec::new(), Vec::new(), None);
        let (mut encrypted, mut certificates) = (false, None);
        for part in text.split(',').map(str::trim) {
            if !part.starts_with("nats://") && !part.starts_with("tls://") {
                return Err(unusable("it begins with neither `nats://` nor `tls://`"));
            }
            // What the library says names no part of the text.
            let mut url = Url::parse(part).map_err(|err| unusable(&err.to_string()))?;
            let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| unusable("it names no host"))?;
            shown.push(format!("{host}:{}", url.port().unwrap_or(DEFAULT_PORT)));
            encrypted |= url.scheme() == "tls";
            who = who.or(who_asks(&url)?);
            certificates = certificates.or(server_url::certificates(&url).map_err(unusable)?);
            url.set_query(None);
            let cleared = url.set_username("").and_then(|()| url.set_password(None));
            cleared.map_err(|()| unusable("it names no host"))?;
            servers.push(ServerAddr::from_url(url).map_err(|err| unusable(&err.to_string()))?);
        }
        let tls = server_tls::trusting(certificates.as_deref())
            .map_err(|source| NatsError::Certificates { path: certificates.unwrap_or_default(), source })?;
        Ok(Self { servers, server: shown.join(","), who, encrypted, tls })
    }

    pub(super) fn options(&self) -> ConnectOptions {
        // A server may ask for TLS by itself, whatever the URL says.
        let options = ConnectOptions::new().require_tls(self.encrypted).tls_client_config(self.tls.clone());
        match &self.who {
            Some(Who::User(user, password)) => options.user_and_password(user.clone(), password.clone()),
            Some(Who::Token(token)) => options.token(token.clone()),
            None => options,
        }
    }
}

fn unusable(reason: &str) -> NatsError {
    NatsError::Url { reason: reason.to_string() }
}

/// A name without a password is a token.
fn who_asks(url: &Url) -> Result<Option<Who>, NatsError> {
    let decoded = |text| server_url::decoded(text).map_err(unusable);
    let name = decoded(url.username())?;
    Ok(match url.password() {
        Some(password) => Some(Who::User(name, decoded(password)?)),
        None => Some(name).filter(|name| !name.is_empty()).map(Who::Token),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_servers_are_and_who_asks() {
        let address = Address::parse("nats://me:se%40cret@one.example,nats://two.example:4223").unwrap();
        assert_eq!(address.server, "one.example:4222,two.example:4223");
        assert!(matches!(&address.who, Some(Who::User(name, word)) if name == "me" && word == "se@cret"));
        assert!(!format!("{:?}", address.servers).contains("cret"), "{:?}", address.servers);
        assert!(!address.encrypted);
        let address = Address::parse("tls://secret@[::1]").unwrap();
        assert!(address.encrypted && matches!(&address.who, Some(Who::Token(token)) if token == "secret"));
        assert_eq!(address.server, "[::1]:4222");
    }

    #[test]
    fn an_unusable_url_is_told_without_its_secrets() {
        for (url, reason) in [
            ("http://me:secret@server", "begins with neither"),
            ("me:secret@server", "begins with neither"),
            ("nats://one,me:secret@two", "begins with neither"),
            ("nats://me:secret@server:port", "invalid port number"),
            ("nats://me:secret@server?secret=1", "a setting other than"),
            ("nats://", "it names no host"),
        ] {
            let message = Address::parse(url).err().unwrap().to_string();
            assert!(message.contains(reason) && !message.contains("secret"), "{url}: {message}");
        }
        let missing = Address::parse("tls://server?tls_ca_path=/nowhere/ca.pem").err().unwrap();
        assert_eq!(missing.to_string(), "cannot read the certificates in /nowhere/ca.pem");
    }
}
