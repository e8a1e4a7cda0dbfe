//! Containers in the host's memory.
//!
//! Nothing outlasts the process, nor the last workload of a namespace.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::backend::{Backend, BlobError, Containers, Content, ObjectInfo, Range, Upload, seconds};
use crate::plugin::storage::budget::{Budget, Reservation};

/// What an object or a container costs beside its bytes, about.
const OVERHEAD: u64 = 200;

/// Containers in memory, with a limit of bytes for each namespace.
#[derive(Debug)]
pub(crate) struct MemoryBackend {
    limit: u64,
    namespaces: Mutex<HashMap<String, Arc<Namespace>>>,
}

#[derive(Debug)]
struct Namespace {
    budget: Arc<Budget>,
    containers: Mutex<HashMap<String, Container>>,
}

#[derive(Debug)]
struct Container {
    created_at: u64,
    objects: BTreeMap<Arc<str>, Object>,
    _name: Reservation,
}

#[derive(Clone, Debug)]
struct Object {
    created_at: u64,
    content: Arc<Chunks>,
}

#[derive(Debug)]
struct Chunks {
    chunks: Vec<Bytes>,
    size: u64,
    reservation: Reservation,
}

impl MemoryBackend {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, namespaces: Mutex::default() }
    }
}

impl Backend for MemoryBackend {
    fn containers(&self, namespace: &str) -> Arc<dyn Containers> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Namespace { budget: Budget::new(self.limit), containers: Mutex::default() });
        let namespace = namespaces.entry(namespace.to_string()).or_insert_with(new);
        Arc::new(MemoryContainers(namespace.clone()))
    }

    fn forget(&self, namespace: &str) {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
    }
}

#[derive(Clone, Debug)]
struct MemoryContainers(Arc<Namespace>);

impl Namespace {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Container>> {
        // A panic elsewhere cannot have left the map half changed: each change is one insertion or removal.
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, container: &str, work: impl FnOnce(&mut Container) -> T) -> Result<T, BlobError> {
        match self.lock().get_mut(container) {
            Some(found) => Ok(work(found)),
            None => Err(BlobError::NoContainer(container.to_string())),
        }
    }
}

#[async_trait]
impl Containers for MemoryContainers {
    fn identity(&self) -> String {
        format!("memory at {:p}", Arc::as_ptr(&self.0))
    }

    async fn create(&self, container: &str) -> Result<(), BlobError> {
        let mut containers = self.0.lock();
        if containers.contains_key(container) {
            return Err(BlobError::ContainerExists(container.to_string()));
        }
        let reservation = self.0.budget.reserve(container.len() as u64 + OVERHEAD)?;
        let created_at = seconds(SystemTime::now());
        let new = Container { created_at, objects: BTreeMap::new(), _name: reservation };
        containers.insert(container.to_string(), new);
        Ok(())
    }

    async fn created_at(&self, container: &str) -> Result<Option<u64>, BlobError> {
        Ok(self.0.lock().get(container).map(|container| container.created_at))
    }

    async fn delete(&self, container: &str) -> Result<(), BlobError> {
        match self.0.lock().remove(container) {
            Some(_) => Ok(()),
            None => Err(BlobError::NoContainer(container.to_string())),
        }
    }

    async fn clear(&self, container: &str) -> Result<(), BlobError> {
        self.0.with(container, |container| container.objects.clear())
    }

    async fn info(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError> {
        self.0.with(container, |container| {
            let object = container.objects.get(object)?;
            Some(ObjectInfo { size: object.content.size, created_at: object.created_at })
        })
    }

    async fn read(&self, container: &str, object: &str, range: Range) -> Result<Content, BlobError> {
        let found = self.0.with(container, |container| container.objects.get(object).cloned())?;
        let Some(found) = found else {
            return Err(BlobError::NoObject { container: container.to_string(), object: object.to_string() });
        };
        let (start, size) = range.within(found.content.size);
        Ok(Content { size, chunks: stream::iter(found.content.slices(start, size)).map(Ok).boxed() })
    }

    async fn begin(&self) -> Result<Box<dyn Upload>, BlobError> {
        let reservation = self.0.budget.reserve(OVERHEAD)?;
        let chunks = Chunks { chunks: Vec::new(), size: 0, reservation };
        Ok(Box::new(MemoryUpload { namespace: self.0.clone(), chunks }))
    }

    async fn delete_objects(&self, container: &str, objects: Vec<String>) -> Result<(), BlobError> {
        self.0.with(container, |container| {
            for object in objects {
                container.objects.remove(object.as_str());
            }
        })
    }

    async fn names(&self, container: &str) -> Result<BoxStream<'static, Result<String, BlobError>>, BlobError> {
        self.0.with(container, |_| ())?;
        let next = |(namespace, container, last): (Arc<Namespace>, String, Option<Arc<str>>)| async move {
            // A container that is deleted meanwhile has no more names.
            let name = namespace.with(&container, |container| container.name_after(last.as_deref())).ok()??;
            Some((Ok(name.to_string()), (namespace, container, Some(name))))
        };
        Ok(stream::unfold((self.0.clone(), container.to_string(), None), next).boxed())
    }
}

impl Container {
    fn name_after(&self, last: Option<&str>) -> Option<Arc<str>> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.objects.range::<str, _>((start, Bound::Unbounded)).next().map(|(name, _)| name.clone())
    }
}

impl Chunks {
    /// The chunks, or parts of them, that cover a range.
    fn slices(&self, start: u64, size: u64) -> Vec<Bytes> {
        let (mut skip, mut left) = (start, size);
        let mut slices = Vec::new();
        for chunk in &self.chunks {
            let from = skip.min(chunk.len() as u64);
            skip -= from;
            let length = left.min(chunk.len() as u64 - from);
            left -= length;
            if length > 0 {
                // Both are at most the chunk's length.
                slices.push(chunk.slice(from as usize..(from + length) as usize));
            }
        }
        slices
    }
}

struct MemoryUpload {
    namespace: Arc<Namespace>,
    chunks: Chunks,
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(mut self: Box<Self>, bytes: Bytes) -> Result<Box<dyn Upload>, BlobError> {
        self.chunks.reservation.grow(bytes.len() as u64)?;
        self.chunks.size += bytes.len() as u64;
        self.chunks.chunks.push(bytes);
        Ok(self)
    }

    async fn commit(mut self: Box<Self>, container: String, object: String) -> Result<(), BlobError> {
        self.chunks.reservation.grow(object.len() as u64)?;
        let new = Object { created_at: seconds(SystemTime::now()), content: Arc::new(self.chunks) };
        self.namespace.with(&container, |container| container.objects.insert(object.into(), new))?;
        Ok(())
    }
}
