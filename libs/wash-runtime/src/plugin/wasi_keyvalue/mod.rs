//! `wasi:keyvalue` for guests, in memory, on a file system, or on a server.
//!
//! Both drafts that are in use are provided: `0.2.0-draft`, and `0.2.0-draft2` with compare-and-swap. A bucket belongs to
//! a workload's namespace: its workloads share it, and no other namespace can reach it.

mod backend;
mod binding;
mod draft;
mod draft2;
mod filesystem;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "wasmcloud-postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;

use self::backend::Backend;
use self::binding::{Binding, Bound, Host, view};
use self::filesystem::FilesystemBackend;
use self::memory::MemoryBackend;
#[cfg(feature = "nats")]
use super::nats::Nats;
#[cfg(feature = "redis")]
use super::redis::Redis;
#[cfg(any(feature = "nats", feature = "redis"))]
use super::servers::Servers;
use super::servers::{ServerKind, ServerUrl};
pub use super::storage::entries::EntryError;
use super::storage::entries::{self, Choice, Offer, Place};
use super::storage::files;
pub use super::storage::roots::RootError;
use super::storage::tenants::Tenants;
#[cfg(feature = "wasmcloud-postgres")]
use super::wasmcloud_postgres::Postgres;
use super::{Attachment, HostPlugin};
use crate::engine::workload::{UnresolvedWorkload, WorkloadItem};
use crate::wit::{WitInterface, WitWorld};

/// What a namespace may keep in memory, in bytes, unless the embedder says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 64 << 20;

const INTERFACES: [&str; 3] = ["store", "atomics", "batch"];
const DRAFT: &str = "0.2.0-draft";
const DRAFT2: &str = "0.2.0-draft2";
/// The directory below a workload's `root`. Roots cannot name it.
const BELOW_ROOT: &str = ".wash-keyvalue";

/// Key-value storage that picks the backend for each `host_interfaces` entry, by its settings:
///
/// | setting | meaning |
/// |---|---|
/// | `backend` | `in-memory` (the default), `filesystem`, or `nats`, `postgres` and `redis` where the host has such a server |
/// | `root` | with `filesystem`: a directory below one that the host [allows](Self::with_directory) |
/// | `url` | with `nats` and `redis`: another server than the host's, where [workloads may name one](Self::with_servers_by_url) |
/// | `prefix` | with `redis`: what the names of all keys begin with |
/// | `bucket` | the bucket's name, where it differs from the identifier that the guest opens |
///
/// Several entries are told apart by their names: `store::open("cache")` reaches the entry `cache`. A single entry without
/// a name serves every identifier, each with a bucket of its own.
#[derive(Debug)]
pub struct KeyValue(Arc<Inner>);

/// Key-value storage in the host's memory.
#[derive(Debug)]
pub struct InMemoryKeyValue(Arc<Inner>);

/// Key-value storage in one directory of the operator's choice.
#[derive(Debug)]
pub struct FilesystemKeyValue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    offer: Offer,
    memory: Arc<MemoryBackend>,
    own: Option<Arc<FilesystemBackend>>,
    #[cfg(feature = "wasmcloud-postgres")]
    postgres: Option<Postgres>,
    #[cfg(feature = "nats")]
    nats: Servers<Nats>,
    #[cfg(feature = "redis")]
    redis: Servers<Redis>,
    tenants: Tenants,
}

/// The kinds of servers that workloads may name.
const BY_URL: &[ServerKind] = &[
    #[cfg(feature = "nats")]
    ServerKind::Nats,
    #[cfg(feature = "redis")]
    ServerKind::Redis,
];

impl KeyValue {
    /// Storage in memory, [`DEFAULT_MAX_BYTES`] for each namespace; workloads may name no directory.
    pub fn new() -> Self {
        Self::with_max_bytes(DEFAULT_MAX_BYTES)
    }

    /// Like [`Self::new`], with another limit for each namespace.
    pub fn with_max_bytes(max_bytes: u64) -> Self {
        Self(Arc::new(Inner::new(Offer::Choice(Choice::default()), max_bytes, None)))
    }

    /// Lets workloads keep data in directories below this one, which is created if need be. May be called several times;
    /// a workload's relative `root` is relative to the first.
    ///
    /// # Errors
    /// [`RootError::Io`] if the directory cannot be opened or created.
    pub fn with_directory(mut self, dir: impl AsRef<Path>) -> Result<Self, RootError> {
        if let Some(Inner { offer: Offer::Choice(choice), .. }) = Arc::get_mut(&mut self.0) {
            choice.roots.allow(dir.as_ref())?;
        }
        Ok(self)
    }

    /// Lets workloads keep data in this database. The host does not start if it cannot be reached then.
    #[cfg(feature = "wasmcloud-postgres")]
    #[must_use]
    pub fn with_postgres(mut self, postgres: &Postgres) -> Self {
        if let Some(Inner { offer: Offer::Choice(choice), postgres: database, .. }) = Arc::get_mut(&mut self.0) {
            choice.servers.push(ServerKind::Postgres);
            *database = Some(postgres.clone());
        }
        self
    }

    /// Lets workloads keep data on this NATS server, which needs JetStream for that. The host does not start if it cannot
    /// be reached then.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn with_nats(mut self, nats: &Nats) -> Self {
        if let Some(Inner { offer: Offer::Choice(choice), nats: servers, .. }) = Arc::get_mut(&mut self.0) {
            choice.servers.push(ServerKind::Nats);
            servers.own = Some(nats.clone());
        }
        self
    }

    /// Lets workloads keep data on this Redis server. The host does not start if it cannot be reached then.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn with_redis(mut self, redis: &Redis) -> Self {
        if let Some(Inner { offer: Offer::Choice(choice), redis: servers, .. }) = Arc::get_mut(&mut self.0) {
            choice.servers.push(ServerKind::Redis);
            servers.own = Some(redis.clone());
        }
        self
    }

    /// Lets workloads name servers by `url`, whatever addresses those have: for workloads that their author may trust
    /// with the host's network. A workload does not start if its server cannot be reached then.
    #[must_use]
    pub fn with_servers_by_url(mut self) -> Self {
        if let Some(Inner { offer: Offer::Choice(choice), .. }) = Arc::get_mut(&mut self.0) {
            choice.servers_by_url = BY_URL;
        }
        self
    }
}

impl Default for KeyValue {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryKeyValue {
    /// [`DEFAULT_MAX_BYTES`] for each namespace.
    pub fn new() -> Self {
        Self::with_max_bytes(DEFAULT_MAX_BYTES)
    }

    /// So many bytes for each namespace: keys, values, and what the host needs beside them.
    pub fn with_max_bytes(max_bytes: u64) -> Self {
        Self(Arc::new(Inner::new(Offer::InMemory, max_bytes, None)))
    }
}

impl Default for InMemoryKeyValue {
    fn default() -> Self {
        Self::new()
    }
}

impl FilesystemKeyValue {
    /// Opens or creates the directory. Several hosts may use it at once.
    ///
    /// # Errors
    /// [`RootError::Io`] if the directory cannot be opened or created.
    pub fn new(dir: impl AsRef<Path>) -> Result<Self, RootError> {
        let dir = dir.as_ref();
        let own = FilesystemBackend::open(dir.to_path_buf())
            .map_err(|source| RootError::Io { root: dir.display().to_string(), source })?;
        Ok(Self(Arc::new(Inner::new(Offer::Directory, 0, Some(Arc::new(own))))))
    }
}

impl Inner {
    fn new(offer: Offer, max_bytes: u64, own: Option<Arc<FilesystemBackend>>) -> Self {
        Self {
            offer,
            memory: Arc::new(MemoryBackend::new(max_bytes)),
            own,
            #[cfg(feature = "wasmcloud-postgres")]
            postgres: None,
            #[cfg(feature = "nats")]
            nats: Servers::default(),
            #[cfg(feature = "redis")]
            redis: Servers::default(),
            tenants: Tenants::default(),
        }
    }

    /// Makes the host's servers ready.
    async fn start(&self) -> anyhow::Result<()> {
        #[cfg(feature = "wasmcloud-postgres")]
        if let Some(postgres) = &self.postgres {
            postgres.prepare().await?;
        }
        #[cfg(feature = "nats")]
        self.nats.start().await?;
        #[cfg(feature = "redis")]
        self.redis.start().await?;
        Ok(())
    }

    /// The backend of an entry that asks for a server. It does not connect.
    fn on_server(
        &self,
        kind: ServerKind,
        url: Option<&ServerUrl>,
        entry: &entries::Entry,
    ) -> anyhow::Result<Arc<dyn Backend>> {
        _ = (url, entry);
        let backend: Option<Arc<dyn Backend>> = match kind {
            #[cfg(feature = "nats")]
            ServerKind::Nats => self.nats.find(url)?.map(|nats| Arc::new(nats::NatsBackend(nats)) as _),
            #[cfg(feature = "wasmcloud-postgres")]
            ServerKind::Postgres => {
                self.postgres.clone().map(|postgres| Arc::new(postgres::PostgresBackend(postgres)) as _)
            }
            #[cfg(feature = "redis")]
            ServerKind::Redis => {
                let prefix = entry.setting("prefix").unwrap_or_default();
                self.redis.find(url)?.map(|redis| Arc::new(redis::RedisBackend::new(redis, prefix)) as _)
            }
        };
        // Entries are checked against what there is.
        backend.context("the host has no such server")
    }

    /// Checks entries and opens their backends. It blocks.
    fn bind(&self, namespace: &str, interfaces: &HashSet<WitInterface>) -> anyhow::Result<Binding> {
        let checked = entries::check(interfaces, &self.offer, &["bucket"])?;
        let entries = checked.try_map(|entry| {
            let backend: Arc<dyn Backend> = match (&entry.place, &self.own) {
                (Place::Directory(root), _) => Arc::new(FilesystemBackend::open(root.join(BELOW_ROOT))?),
                (Place::Server(kind, url), _) => self.on_server(*kind, url.as_ref(), &entry)?,
                (Place::OwnDirectory, Some(own)) => own.clone(),
                (Place::OwnDirectory | Place::Memory, _) => self.memory.clone(),
            };
            let bucket = entry.setting("bucket").map(str::to_string);
            anyhow::Ok(Bound { backend, bucket, interfaces: entry.interfaces })
        })?;
        Ok(Binding::new(namespace, entries))
    }
}

fn world() -> WitWorld {
    let exports = [DRAFT, DRAFT2].map(|version| WitInterface {
        namespace: "wasi".to_string(),
        package: "keyvalue".to_string(),
        interfaces: INTERFACES.map(str::to_string).into(),
        version: version.parse().ok(),
        ..WitInterface::default()
    });
    WitWorld { imports: HashSet::new(), exports: exports.into() }
}

async fn bind_workload(
    inner: &Arc<Inner>,
    workload: &UnresolvedWorkload,
    interfaces: HashSet<WitInterface>,
) -> anyhow::Result<()> {
    inner.tenants.bind(workload.id(), workload.namespace());
    let (inner, namespace) = (inner.clone(), workload.namespace().to_string());
    // All entries together, even those that no component uses.
    let binding = files::blocking(move || inner.bind(&namespace, &interfaces)).await?;
    let backends: Vec<_> = binding.backends().cloned().collect();
    for backend in backends {
        backend.prepare().await?;
    }
    Ok(())
}

async fn bind_item(
    inner: &Arc<Inner>,
    item: &mut WorkloadItem<'_>,
    interfaces: HashSet<WitInterface>,
) -> anyhow::Result<()> {
    link(item, &interfaces).map_err(|err| anyhow::Error::from_boxed(err.into()))?;
    let (inner, namespace) = (inner.clone(), item.workload_namespace().to_string());
    let binding = files::blocking(move || inner.bind(&namespace, &interfaces)).await?;
    item.set_binding(binding);
    Ok(())
}

/// Defines what the item imports and an entry lists. What is left without a provider, the host reports.
fn link(item: &mut WorkloadItem<'_>, entries: &HashSet<WitInterface>) -> wasmtime::Result<()> {
    let listed = |interface: &str| entries.iter().any(|entry| entry.interfaces.contains(interface));
    for import in item.world().imports {
        let version = import.version.as_ref().map(ToString::to_string);
        let linker = item.linker();
        for interface in import.interfaces.iter().filter(|_| import.namespace == "wasi" && import.package == "keyvalue")
        {
            match (version.as_deref(), interface.as_str()) {
                (Some(DRAFT), "store") => draft::store::add_to_linker::<_, Host>(linker, view)?,
                (Some(DRAFT), "atomics") if listed("atomics") => {
                    draft::atomics::add_to_linker::<_, Host>(linker, view)?;
                }
                (Some(DRAFT), "batch") if listed("batch") => draft::batch::add_to_linker::<_, Host>(linker, view)?,
                (Some(DRAFT2), "store") => draft2::store::add_to_linker::<_, Host>(linker, view)?,
                (Some(DRAFT2), "atomics") if listed("atomics") => {
                    draft2::atomics::add_to_linker::<_, Host>(linker, view)?;
                }
                (Some(DRAFT2), "batch") if listed("batch") => draft2::batch::add_to_linker::<_, Host>(linker, view)?,
                _ => {}
            }
        }
    }
    Ok(())
}

macro_rules! host_plugin {
    ($plugin:ty) => {
        #[async_trait]
        impl HostPlugin for $plugin {
            /// One id for all key-value plugins: a host has one of them.
            fn id(&self) -> &'static str {
                "wasi-keyvalue"
            }

            fn world(&self) -> WitWorld {
                world()
            }

            fn attachment(&self, interfaces: &HashSet<WitInterface>) -> Attachment {
                if self.0.offer.outlives_binding(interfaces) { Attachment::Restorable } else { Attachment::Keeps }
            }

            async fn start(&self) -> anyhow::Result<()> {
                self.0.start().await
            }

            async fn on_workload_bind(
                &self,
                workload: &UnresolvedWorkload,
                interfaces: HashSet<WitInterface>,
            ) -> anyhow::Result<()> {
                bind_workload(&self.0, workload, interfaces).await
            }

            async fn on_workload_item_bind<'a>(
                &self,
                item: &mut WorkloadItem<'a>,
                interfaces: HashSet<WitInterface>,
            ) -> anyhow::Result<()> {
                bind_item(&self.0, item, interfaces).await
            }

            async fn on_workload_unbind(&self, workload_id: &str, _: HashSet<WitInterface>) -> anyhow::Result<()> {
                if let Some(namespace) = self.0.tenants.unbind(workload_id) {
                    self.0.memory.forget(&namespace);
                }
                Ok(())
            }
        }
    };
}

host_plugin!(KeyValue);
host_plugin!(InMemoryKeyValue);
host_plugin!(FilesystemKeyValue);
