//! What a guest's calls find: the entries of its workload, and the handles it holds.
//!
//! It knows the types of no WIT interface.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Peekable};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasData, ResourceTable};

use super::backend::{BlobError, Containers, Content, Location, Range};
use super::streams::{Reader, Staging};
use crate::engine::Ctx;
use crate::plugin::storage::entries::Entries;

/// Values and listings that the invocations of one component may have open at once. Each holds a file and a buffer.
const MAX_OPEN: usize = 1_024;
/// How long a call waits for another one to close something.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes that a guest may read at once instead of as a stream.
const MAX_SYNC_BYTES: u64 = 64 << 20;
/// Names that one call returns at most.
const MAX_NAMES: u64 = 1_000;
/// A call returns no more names once it has so many bytes of them.
const MAX_NAME_BYTES: usize = 1 << 20;

/// A component's entries.
pub(super) struct Binding {
    entries: Entries<Bound>,
    open: Arc<Semaphore>,
}

/// An entry with its backend.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) containers: Arc<dyn Containers>,
    pub(super) container: Option<String>,
    /// The most bytes an object may have.
    pub(super) limit: Option<u64>,
}

impl Binding {
    pub(super) fn new(entries: Entries<Bound>) -> Self {
        Self { entries, open: Arc::new(Semaphore::new(MAX_OPEN)) }
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &Arc<dyn Containers>> {
        self.entries.values().map(|entry| &entry.containers)
    }
}

/// Why a call failed, in words for the guest.
pub(super) fn words(err: BlobError) -> String {
    if let BlobError::Io(source) = &err {
        // Its text names paths of the host, which are no guest's business.
        tracing::error!(error = %source, "object storage failed");
    }
    err.to_string()
}

/// A container that a guest has opened.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone)]
pub struct OpenContainer {
    /// The name that the guest knows it by.
    pub(super) name: String,
    /// The name that it has in its store.
    actual: String,
    bound: Bound,
    open: Arc<Semaphore>,
}

/// A value on its way.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OutgoingValue {
    pub(super) staging: Arc<Mutex<Staging>>,
    pub(super) has_stream: bool,
    _permit: OwnedSemaphorePermit,
}

/// A value to read.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct IncomingValue {
    content: Content,
    permit: OwnedSemaphorePermit,
}

/// Names to read.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ObjectNames {
    names: Peekable<BoxStream<'static, Result<String, BlobError>>>,
    _permit: OwnedSemaphorePermit,
}

async fn permit(open: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, String> {
    match tokio::time::timeout(OPEN_PATIENCE, open.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(format!("the component has {MAX_OPEN} values and listings open already")),
    }
}

impl OpenContainer {
    pub(super) fn containers(&self) -> &dyn Containers {
        &*self.bound.containers
    }

    /// The name to give to [`Self::containers`].
    pub(super) fn actual(&self) -> &str {
        &self.actual
    }

    pub(super) async fn created_at(&self) -> Result<u64, String> {
        let created_at = self.containers().created_at(&self.actual).await.map_err(words)?;
        created_at.ok_or_else(|| words(BlobError::NoContainer(self.name.clone())))
    }

    fn location(&self, object: String) -> Location {
        Location { containers: self.bound.containers.clone(), container: self.actual.clone(), object }
    }

    pub(super) async fn read(&self, object: &str, range: Range) -> Result<IncomingValue, String> {
        if range.start > range.end {
            return Err("the start lies behind the end".to_string());
        }
        let permit = permit(&self.open).await?;
        let content = self.containers().read(&self.actual, object, range).await.map_err(words)?;
        Ok(IncomingValue { content, permit })
    }

    pub(super) async fn names(&self) -> Result<ObjectNames, String> {
        let permit = permit(&self.open).await?;
        let names = self.containers().names(&self.actual).await.map_err(words)?.peekable();
        Ok(ObjectNames { names, _permit: permit })
    }

    /// Assigns a value to an object of this container.
    pub(super) async fn assign(&self, object: String, staging: &Mutex<Staging>) -> Result<(), String> {
        self.created_at().await?;
        staging.lock().await.assign(self.location(object), self.bound.limit).map_err(words)
    }
}

impl IncomingValue {
    pub(super) fn size(&self) -> u64 {
        self.content.size
    }

    pub(super) async fn read_all(mut self) -> Result<Vec<u8>, String> {
        if self.content.size > MAX_SYNC_BYTES {
            let size = self.content.size;
            return Err(format!("{size} bytes are too many at once; read them as a stream"));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.content.chunks.next().await {
            bytes.extend_from_slice(&chunk.map_err(words)?);
        }
        Ok(bytes)
    }

    pub(super) fn into_stream(self) -> Reader {
        Reader::new(self.content.chunks, self.permit)
    }
}

impl ObjectNames {
    /// Names, and whether they are the last.
    pub(super) async fn read(&mut self, len: u64) -> Result<(Vec<String>, bool), String> {
        let (mut names, mut bytes) = (Vec::new(), 0);
        while (names.len() as u64) < len.min(MAX_NAMES) && bytes < MAX_NAME_BYTES {
            match self.next().await? {
                Some(name) => {
                    bytes += name.len();
                    names.push(name);
                }
                None => break,
            }
        }
        Ok((names, self.at_end().await))
    }

    /// How many names were left out, and whether they were the last.
    pub(super) async fn skip(&mut self, num: u64) -> Result<(u64, bool), String> {
        let mut skipped = 0;
        while skipped < num && self.next().await?.is_some() {
            skipped += 1;
            if skipped % MAX_NAMES == 0 {
                // Others have their turn.
                tokio::task::yield_now().await;
            }
        }
        Ok((skipped, self.at_end().await))
    }

    async fn next(&mut self) -> Result<Option<String>, String> {
        self.names.next().await.transpose().map_err(words)
    }

    async fn at_end(&mut self) -> bool {
        std::pin::Pin::new(&mut self.names).peek().await.is_none()
    }
}

/// The host's side of one call.
pub(crate) struct View<'a> {
    binding: Option<Arc<Binding>>,
    pub(super) table: &'a mut ResourceTable,
}

/// Names the view where a type has to.
pub(crate) struct Host;

impl HasData for Host {
    type Data<'a> = View<'a>;
}

pub(crate) fn view(ctx: &mut Ctx) -> View<'_> {
    View { binding: ctx.binding(), table: ctx.table() }
}

impl View<'_> {
    fn binding(&self) -> Result<&Arc<Binding>, String> {
        self.binding.as_ref().ok_or_else(|| "the component may use no object storage".to_string())
    }

    /// The container of a name, which may or may not exist.
    pub(super) fn container(&self, name: String) -> Result<OpenContainer, String> {
        let binding = self.binding()?;
        let Some(bound) = binding.entries.get(&name) else {
            return Err(format!("the workload declares no object storage with the name `{name}`"));
        };
        let actual = bound.container.clone().unwrap_or_else(|| name.clone());
        Ok(OpenContainer { name, actual, bound: bound.clone(), open: binding.open.clone() })
    }

    pub(super) async fn new_value(&mut self) -> Result<OutgoingValue, String> {
        let binding = self.binding()?;
        let permit = permit(&binding.open).await?;
        let mut bounds = binding.entries.values();
        // With one entry the value's store is known before its object is.
        let only = bounds.next().filter(|_| bounds.next().is_none());
        let staging = match only {
            Some(bound) => Staging::new(Some(bound.containers.clone()), bound.limit),
            None => Staging::new(None, None),
        };
        Ok(OutgoingValue { staging: Arc::new(Mutex::new(staging)), has_stream: false, _permit: permit })
    }

    pub(super) async fn copy(&mut self, source: (String, String), target: (String, String)) -> Result<(), String> {
        let (source, target, limit) = self.ends(source, target)?;
        source.copy_to(&target, limit).await.map_err(words)
    }

    pub(super) async fn relocate(&mut self, source: (String, String), target: (String, String)) -> Result<(), String> {
        let (source, target, limit) = self.ends(source, target)?;
        source.copy_to(&target, limit).await.map_err(words)?;
        if source.is_same(&target) { Ok(()) } else { source.remove().await.map_err(words) }
    }

    fn ends(
        &self,
        source: (String, String),
        target: (String, String),
    ) -> Result<(Location, Location, Option<u64>), String> {
        let from = self.container(source.0)?.location(source.1);
        let to = self.container(target.0)?;
        let limit = to.bound.limit;
        Ok((from, to.location(target.1), limit))
    }
}
