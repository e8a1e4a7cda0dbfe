//! Where data and messages are: the options that choose backends, and the servers that options and the environment name.
//!
//! It makes folders, and connects to nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use wash_runtime::plugin::nats::Nats;
use wash_runtime::plugin::redis::Redis;
use wash_runtime::plugin::wasmcloud_postgres::Postgres;

use crate::cli::HostOptions;
use crate::options::{OptionError, form, utf8};

/// Settings of a backend by `namespace:package`.
pub(crate) type Backends = BTreeMap<(&'static str, &'static str), BTreeMap<String, String>>;

/// The servers for data and messages.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) nats: Option<Nats>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) redis: Option<Redis>,
}

impl Servers {
    /// Those that options name, or the variables that stand for them; `own` is the host's own environment.
    pub(crate) fn read(host: &HostOptions, own: impl Fn(&str) -> Option<OsString>) -> Result<Self, OptionError> {
        let url = |option: &Option<String>, variable: &'static str| match option {
            Some(url) => Ok(Some(url.clone())),
            None => {
                let url = own(variable).filter(|url| !url.is_empty()).map(OsString::into_string).transpose();
                url.map_err(|_| OptionError::NotUtf8 { name: variable.to_owned() })
            }
        };
        Ok(Self {
            nats: url(&host.data_nats_url, "WASH_DATA_NATS_URL")?.map(|url| Nats::new(&url)).transpose()?,
            postgres: url(&host.postgres_url, "WASH_POSTGRES_URL")?.map(|url| Postgres::new(&url)).transpose()?,
            redis: url(&host.redis_url, "WASH_REDIS_URL")?.map(|url| Redis::new(&url)).transpose()?,
        })
    }

    /// The backends of interfaces that nothing else chooses.
    pub(crate) fn default_backends(&self, host: &HostOptions) -> Result<Backends, OptionError> {
        // The first one that is there is the default.
        let postgres = ("postgres", "WASH_POSTGRES_URL", self.postgres.is_some());
        let redis = ("redis", "WASH_REDIS_URL", self.redis.is_some());
        let nats = ("nats", "WASH_DATA_NATS_URL", self.nats.is_some());
        Ok([
            (("wasi", "keyvalue"), backend("--keyvalue", &host.keyvalue, &[redis, postgres, nats])?),
            (("wasi", "blobstore"), backend("--blobstore", &host.blobstore, &[postgres, nats])?),
            (("wasmcloud", "messaging"), backend("--data-nats-url", &None, &[nats])?),
        ]
        .into())
    }
}

/// A kind of server, the variable that names one, and whether one is named.
type Kind = (&'static str, &'static str, bool);

/// The directory that a backend of `wasi` keeps its data in, if it is one on the file system.
pub(crate) fn root_of(backends: &Backends, package: &'static str) -> Option<PathBuf> {
    backends.get(&("wasi", package))?.get("root").map(PathBuf::from)
}

fn backend(
    option: &'static str,
    chosen: &Option<String>,
    servers: &[Kind],
) -> Result<BTreeMap<String, String>, OptionError> {
    let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let Some(text) = chosen else {
        let present = servers.iter().find(|(.., is_named)| *is_named).map_or("in-memory", |(name, ..)| name);
        return Ok([setting("backend", present)].into());
    };
    match servers.iter().find(|(name, ..)| name == text) {
        Some((name, variable, false)) => return Err(OptionError::NoServer { option, name, variable }),
        None if text != "in-memory" => {}
        _ => return Ok([setting("backend", text)].into()),
    }
    let Some(root) = text.strip_prefix("filesystem:").filter(|root| !root.is_empty()) else {
        let names: Vec<String> = servers.iter().map(|(name, ..)| format!("`{name}`")).collect();
        return Err(form(option, text, &format!("`in-memory`, `filesystem:DIR`, {}", names.join(" or "))));
    };
    fs_err::create_dir_all(root).map_err(|source| OptionError::Path { option, source })?;
    let root = utf8(option, fs_err::canonicalize(root).map_err(|source| OptionError::Path { option, source })?)?;
    Ok([setting("backend", "filesystem"), setting("root", &root)].into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn choose(text: Option<&str>, servers: &[Kind]) -> Result<BTreeMap<String, String>, String> {
        backend("--keyvalue", &text.map(str::to_owned), servers).map_err(|err| err.to_string())
    }

    #[test]
    fn a_backend_is_what_the_option_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("new/kv");
        let settings = choose(Some(&format!("filesystem:{}", root.display())), &[]).unwrap();
        assert_eq!(settings["root"], root.to_str().unwrap());
        assert!(root.is_dir());
        assert_eq!(choose(Some("in-memory"), &[]).unwrap().len(), 1);
        for text in ["", "etcd", "filesystem", "filesystem:"] {
            assert!(choose(Some(text), &[("redis", "WASH_REDIS_URL", true)]).is_err(), "{text}");
        }
    }

    #[test]
    fn without_the_option_it_is_the_first_server_that_is_named() {
        let (redis, postgres) = ("redis", "postgres");
        for (named, expected) in
            [((true, true), redis), ((false, true), postgres), ((true, false), redis), ((false, false), "in-memory")]
        {
            let servers = [(redis, "REDIS", named.0), (postgres, "POSTGRES", named.1)];
            assert_eq!(choose(None, &servers).unwrap()["backend"], expected);
        }
        let message = choose(Some(redis), &[(redis, "WASH_REDIS_URL", false)]).unwrap_err();
        assert_eq!(message, "--keyvalue asks for the backend `redis`, and no server is named for it");
    }
}
