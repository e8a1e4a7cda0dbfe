//! What a database's URL says: where it is, how it is spoken to, and how many connections there may be.
//!
//! It connects to nothing. No error of it holds a part of the URL that could be a secret.

use std::path::PathBuf;
use std::time::Duration;

use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use url::form_urlencoded;

use super::PostgresError;
use crate::plugin::server_tls;

const DEFAULT_POOL_SIZE: usize = 10;
const LARGEST_POOL: usize = 1_000;
const DEFAULT_PORT: u16 = 5432;

/// How long making a connection may take, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what was sent may stay unconfirmed, unless the URL says otherwise: then the server is taken for gone.
const UNANSWERED: Duration = Duration::from_secs(30);

pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: ClientConfig,
    pub(super) pool_size: usize,
    /// Host, port and database.
    pub(super) server: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, PostgresError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(unusable("it begins with neither `postgres://` nor `postgresql://`"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut pool_size, mut certificates, mut rest) = (DEFAULT_POOL_SIZE, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            match (&*name, &*value) {
                ("pool_size", size) => pool_size = size_of_pool(size)?,
                ("sslrootcert", path) => certificates = Some(PathBuf::from(path)),
                ("sslmode", "verify-ca" | "verify-full") => rest.push("sslmode=require"),
                _ => rest.push(pair),
            }
        }
        let parsed: Result<Config, _> = format!("{base}?{}", rest.join("&")).parse();
        // What the library says names settings at most.
        let mut config = parsed.map_err(|err| unusable(&words(&err)))?;
        if config.get_hosts().is_empty() {
            return Err(unusable("it names no host"));
        }
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(unusable("an `@` in a user or a password has to be written as `%40`"));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNANSWERED);
        }
        if config.get_application_name().is_none() {
            config.application_name("wash");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let server = server(&config);
        let tls = server_tls::trusting(certificates.as_deref())
            .map_err(|source| PostgresError::Certificates { path: certificates.unwrap_or_default(), source })?;
        Ok(Self { config, tls, pool_size, server })
    }
}

fn unusable(reason: &str) -> PostgresError {
    PostgresError::Url { reason: reason.to_string() }
}

fn words(err: &tokio_postgres::Error) -> String {
    std::error::Error::source(err).map_or_else(|| err.to_string(), ToString::to_string)
}

fn size_of_pool(text: &str) -> Result<usize, PostgresError> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_POOL).contains(size));
    size.ok_or_else(|| unusable(&format!("`pool_size` is not a number from 1 to {LARGEST_POOL}")))
}

fn server(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
        let ports = config.get_ports();
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<_> = hosts.collect();
    match config.get_dbname() {
        Some(database) => format!("{}/{database}", hosts.join(",")),
        None => hosts.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_database_is_and_how_many_connections_there_may_be() {
        let address =
            Address::parse("postgres://me:secret@db.example:6543/store?pool_size=3&sslmode=verify-full").unwrap();
        assert_eq!((address.pool_size, address.server.as_str()), (3, "db.example:6543/store"));
        assert_eq!(address.config.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
        let address = Address::parse("postgresql://localhost").unwrap();
        assert_eq!((address.pool_size, address.server.as_str()), (10, "localhost:5432"));
        assert_eq!(address.config.get_user(), None);
        let address = Address::parse("postgres://a,b:1/x?connect_timeout=1&application_name=mine").unwrap();
        assert_eq!(address.config.get_application_name(), Some("mine"));
    }

    #[test]
    fn an_unusable_url_is_told_without_its_secrets() {
        for (url, reason) in [
            ("mysql://me:secret@db/x", "begins with neither"),
            ("me:secret@db/x", "begins with neither"),
            ("postgres://me:secret@db/x?pool_size=0", "`pool_size` is not a number"),
            ("postgres://me:secret@db/x?pool_size=ten", "`pool_size` is not a number"),
            ("postgres://me:secret@db/x?nothing=1", "unknown option `nothing`"),
            ("postgres://me:secret@db:port/x", "port"),
            ("postgres://me:se@secret@db/x", "has to be written as `%40`"),
            ("postgres://", "it names no host"),
        ] {
            let message = Address::parse(url).err().unwrap().to_string();
            assert!(message.contains(reason) && !message.contains("secret"), "{url}: {message}");
        }
        let missing = Address::parse("postgres://db/x?sslrootcert=/nowhere/ca.pem").err().unwrap();
        assert_eq!(missing.to_string(), "cannot read the certificates in /nowhere/ca.pem");
    }
}
