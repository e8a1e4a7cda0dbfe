//! The servers that keep the project's data: which key names each, and which of them an interface gets.
//!
//! It connects to none of them. Their URLs may hold passwords, and are not shown.

use std::fmt;

use wash_runtime::plugin::nats::{Nats, NatsError};
use wash_runtime::plugin::redis::{Redis, RedisError};
use wash_runtime::plugin::wasmcloud_postgres::{Postgres, PostgresError};
use washlib_config::{Config, Origin, Sourced};

use super::SettingsError;

/// The servers that the configuration names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Servers {
    /// For storage and messages.
    pub(crate) nats: Option<NamedServer<Nats>>,
    pub(crate) keyvalue_nats: Option<NamedServer<Nats>>,
    pub(crate) postgres: Option<NamedServer<Postgres>>,
    pub(crate) redis: Option<NamedServer<Redis>>,
}

/// A server with the key that names it, the same if its URL is.
#[derive(Clone)]
pub(crate) struct NamedServer<T> {
    key: &'static str,
    url: Sourced<String>,
    pub(crate) server: T,
}

impl<T> PartialEq for NamedServer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.url.value() == other.url.value()
    }
}

impl<T: fmt::Debug> fmt::Debug for NamedServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl<T> NamedServer<T> {
    fn read<E: std::error::Error + Send + Sync + 'static>(
        key: &'static str,
        url: Option<&Sourced<String>>,
        new: impl FnOnce(&str) -> Result<T, E>,
        hint: impl FnOnce(&E) -> Option<&'static str>,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(url) = url else { return Ok(None) };
        let server = new(url.value()).map_err(|source| SettingsError::Server {
            key,
            origin: url.origin().clone(),
            hint: hint(&source),
            source: source.into(),
        })?;
        Ok(Some(Self { key, url: url.clone(), server }))
    }

    fn named(&self) -> (&'static str, &Origin) {
        (self.key, self.url.origin())
    }
}

impl Servers {
    pub(crate) fn new(config: &Config) -> Result<Self, SettingsError> {
        let dev = &config.dev;
        let nats_hint = |err: &NatsError| {
            let hint = "write `nats://user:password@host:port`, or `tls://` for TLS";
            matches!(err, NatsError::Url { .. }).then_some(hint)
        };
        Ok(Self {
            nats: NamedServer::read("dev.data_nats_url", dev.data_nats_url.as_ref(), Nats::new, nats_hint)?,
            keyvalue_nats: NamedServer::read(
                "dev.wasi_keyvalue_nats_url",
                dev.wasi_keyvalue_nats_url.as_ref(),
                Nats::new,
                nats_hint,
            )?,
            postgres: NamedServer::read("dev.postgres_url", dev.postgres_url.as_ref(), Postgres::new, |err| {
                let hint = "write `postgres://user:password@host:port/database`";
                matches!(err, PostgresError::Url { .. }).then_some(hint)
            })?,
            redis: NamedServer::read(
                "dev.wasi_keyvalue_redis_url",
                dev.wasi_keyvalue_redis_url.as_ref(),
                Redis::new,
                |err| {
                    let hint = "write `redis://user:password@host:port/database`, or `rediss://` for TLS";
                    matches!(err, RedisError::Url { .. }).then_some(hint)
                },
            )?,
        })
    }

    /// The key that names a server, by what the server's errors call it.
    pub(crate) fn key_of(&self, server: &str) -> Option<(&'static str, &Origin)> {
        let nats = [&self.keyvalue_nats, &self.nats].into_iter().flatten();
        let nats = nats.map(|named| (named.server.server(), named.named()));
        let redis = self.redis.iter().map(|named| (named.server.server(), named.named()));
        let postgres = self.postgres.iter().map(|named| (named.server.server(), named.named()));
        nats.chain(redis).chain(postgres).find(|(known, _)| *known == server).map(|(_, named)| named)
    }
}
