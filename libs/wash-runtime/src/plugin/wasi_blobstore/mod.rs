//! `wasi:blobstore` for guests, in memory, on a file system, or on a server.
//!
//! A container belongs to a workload's namespace: its workloads share it, and no other namespace can reach it. Objects are
//! written and read as streams, and never stand in memory as a whole unless that is where they are kept.

mod backend;
mod binding;
mod filesystem;
mod host;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "wasmcloud-postgres")]
mod postgres;
mod streams;
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
#[cfg(feature = "nats")]
use super::servers::Servers;
use super::servers::{ServerKind, ServerUrl};
pub use super::storage::entries::EntryError;
use super::storage::entries::{self, Choice, Entry, Offer, Place};
use super::storage::files;
pub use super::storage::roots::RootError;
use super::storage::tenants::Tenants;
#[cfg(feature = "wasmcloud-postgres")]
use super::wasmcloud_postgres::Postgres;
use super::{Attachment, HostPlugin};
use crate::engine::workload::{UnresolvedWorkload, WorkloadItem};
use crate::wit::{WitInterface, WitWorld};

/// What a namespace may keep in memory, in bytes, unless the embedder says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

const INTERFACES: [&str; 3] = ["blobstore", "container", "types"];
const DRAFT: &str = "0.2.0-draft";
/// The directory below a workload's `root`. Roots cannot name it.
const BELOW_ROOT: &str = ".wash-blobstore";

/// Object storage that picks the backend for each `host_interfaces` entry, by its settings:
///
/// | setting | meaning |
/// |---|---|
/// | `backend` | `in-memory` (the default), `filesystem`, or `nats` and `postgres` where the host has such a server |
/// | `root` | with `filesystem`: a directory below one that the host [allows](Self::with_directory) |
/// | `url` | with `nats`: another server than the host's, where [workloads may name one](Self::with_servers_by_url) |
/// | `container` | the container's name, where it differs from the one that the guest uses |
/// | `max-object-size` | the most bytes that an object may have |
///
/// Several entries are told apart by their names: the container `cache` is in the entry `cache`. A single entry without a
/// name serves every container.
#[derive(Debug)]
pub struct Blobstore(Arc<Inner>);

/// Object storage in the host's memory.
#[derive(Debug)]
pub struct InMemoryBlobstore(Arc<Inner>);

/// Object storage in one directory of the operator's choice.
#[derive(Debug)]
pub struct FilesystemBlobstore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    offer: Offer,
    memory: Arc<MemoryBackend>,
    own: Option<Arc<FilesystemBackend>>,
    #[cfg(feature = "nats")]
    nats: Servers<Nats>,
    #[cfg(feature = "wasmcloud-postgres")]
    postgres: Option<Postgres>,
    tenants: Tenants,
}

/// The kinds of servers that workloads may name.
const BY_URL: &[ServerKind] = &[
    #[cfg(feature = "nats")]
    ServerKind::Nats,
];

impl Blobstore {
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

    /// Lets workloads name servers by `url`, whatever addresses those have: for workloads that their author may trust
    /// with the host's network. A workload does not start if its server cannot be reached then.
    #[must_use]
    pub fn with_servers_by_url(mut self) -> Self {
        if let Some(Inner { offer: Offer::Choice(choice), .. }) = Arc::get_mut(&mut self.0) {
            choice.servers_by_url = BY_URL;
        }
        self
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
}

impl Default for Blobstore {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryBlobstore {
    /// [`DEFAULT_MAX_BYTES`] for each namespace.
    pub fn new() -> Self {
        Self::with_max_bytes(DEFAULT_MAX_BYTES)
    }

    /// So many bytes for each namespace: names, content, and what the host needs beside them.
    pub fn with_max_bytes(max_bytes: u64) -> Self {
        Self(Arc::new(Inner::new(Offer::InMemory, max_bytes, None)))
    }
}

impl Default for InMemoryBlobstore {
    fn default() -> Self {
        Self::new()
    }
}

impl FilesystemBlobstore {
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
            #[cfg(feature = "nats")]
            nats: Servers::default(),
            #[cfg(feature = "wasmcloud-postgres")]
            postgres: None,
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
        Ok(())
    }

    /// The backend of an entry that asks for a server. It does not connect.
    fn on_server(&self, kind: ServerKind, url: Option<&ServerUrl>) -> anyhow::Result<Arc<dyn Backend>> {
        _ = url;
        let backend: Option<Arc<dyn Backend>> = match kind {
            #[cfg(feature = "nats")]
            ServerKind::Nats => self.nats.find(url)?.map(|nats| Arc::new(nats::NatsBackend(nats)) as _),
            #[cfg(feature = "wasmcloud-postgres")]
            ServerKind::Postgres => {
                self.postgres.clone().map(|postgres| Arc::new(postgres::PostgresBackend(postgres)) as _)
            }
            #[cfg(feature = "redis")]
            ServerKind::Redis => None,
        };
        // Entries are checked against what there is.
        backend.context("the host has no such server")
    }

    /// Checks entries and opens their backends. It blocks.
    fn bind(&self, namespace: &str, interfaces: &HashSet<WitInterface>) -> anyhow::Result<Binding> {
        let checked = entries::check(interfaces, &self.offer, &["container", "max-object-size"])?;
        let entries = checked.try_map(|entry| {
            let backend: Arc<dyn Backend> = match (&entry.place, &self.own) {
                (Place::Directory(root), _) => Arc::new(FilesystemBackend::open(root.join(BELOW_ROOT))?),
                (Place::Server(kind, url), _) => self.on_server(*kind, url.as_ref())?,
                (Place::OwnDirectory, Some(own)) => own.clone(),
                (Place::OwnDirectory | Place::Memory, _) => self.memory.clone(),
            };
            let limit = max_object_size(&entry)?;
            let container = entry.setting("container").map(str::to_string);
            anyhow::Ok(Bound { containers: backend.containers(namespace), container, limit })
        })?;
        Ok(Binding::new(entries))
    }
}

fn max_object_size(entry: &Entry) -> Result<Option<u64>, EntryError> {
    let Some(text) = entry.setting("max-object-size") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| entry.invalid("max-object-size", "a number of bytes"))
}

fn world() -> WitWorld {
    let exports = WitInterface {
        namespace: "wasi".to_string(),
        package: "blobstore".to_string(),
        interfaces: INTERFACES.map(str::to_string).into(),
        version: DRAFT.parse().ok(),
        ..WitInterface::default()
    };
    WitWorld { imports: HashSet::new(), exports: HashSet::from([exports]) }
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
    let containers: Vec<_> = binding.containers().cloned().collect();
    for containers in containers {
        containers.prepare().await?;
    }
    Ok(())
}

async fn bind_item(
    inner: &Arc<Inner>,
    item: &mut WorkloadItem<'_>,
    interfaces: HashSet<WitInterface>,
) -> anyhow::Result<()> {
    link(item).map_err(|err| anyhow::Error::from_boxed(err.into()))?;
    let (inner, namespace) = (inner.clone(), item.workload_namespace().to_string());
    let binding = files::blocking(move || inner.bind(&namespace, &interfaces)).await?;
    item.set_binding(binding);
    Ok(())
}

/// Defines what the item imports. What is left without a provider, the host reports.
fn link(item: &mut WorkloadItem<'_>) -> wasmtime::Result<()> {
    for import in item.world().imports {
        let version = import.version.as_ref().map(ToString::to_string);
        if import.package_name() != "wasi:blobstore" || version.as_deref() != Some(DRAFT) {
            continue;
        }
        let linker = item.linker();
        for interface in import.interfaces {
            match interface.as_str() {
                "types" => host::types::add_to_linker::<_, Host>(linker, view)?,
                "container" => host::container::add_to_linker::<_, Host>(linker, view)?,
                "blobstore" => host::blobstore::add_to_linker::<_, Host>(linker, view)?,
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
            /// One id for all object storage plugins: a host has one of them.
            fn id(&self) -> &'static str {
                "wasi-blobstore"
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

host_plugin!(Blobstore);
host_plugin!(InMemoryBlobstore);
host_plugin!(FilesystemBlobstore);
