//! What a blobstore backend does, whatever it keeps its data in, and what follows from that: copying and moving.
//!
//! It knows nothing of guests, and of workloads only the namespace.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::plugin::storage::budget::Full;

/// Why an operation on a container or an object failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BlobError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error("there is no container `{0}`")]
    NoContainer(String),
    #[error("the container `{0}` exists already")]
    ContainerExists(String),
    #[error("there is no object `{object}` in the container `{container}`")]
    NoObject { container: String, object: String },
    #[error("an object may have at most {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the storage failed")]
    Io(#[from] io::Error),
}

/// Seconds since the epoch.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is known of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ObjectInfo {
    /// Bytes.
    pub(crate) size: u64,
    /// Seconds since the epoch at which this content was put in its place.
    pub(crate) created_at: u64,
}

/// Content that is read chunk by chunk. What happens to the object meanwhile changes nothing.
pub(crate) struct Content {
    /// Bytes to come.
    pub(crate) size: u64,
    pub(crate) chunks: BoxStream<'static, Result<Bytes, BlobError>>,
}

/// Bytes of an object, both ends inclusive. What lies beyond the object's end is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    pub(crate) const ALL: Self = Self { start: 0, end: u64::MAX };

    /// The offset and length of what there is in an object of a size.
    pub(crate) fn within(self, size: u64) -> (u64, u64) {
        let start = self.start.min(size);
        let end = self.end.saturating_add(1).min(size);
        (start, end.saturating_sub(start))
    }
}

/// Containers of several namespaces.
pub(crate) trait Backend: Send + Sync {
    fn containers(&self, namespace: &str) -> Arc<dyn Containers>;

    /// Nobody of this namespace is left to read what does not outlast the process.
    fn forget(&self, namespace: &str);
}

/// Containers of one namespace. An object is whole or absent at any time; what has returned survives a crash, if the
/// backend's data survive the process at all.
#[async_trait]
pub(crate) trait Containers: Send + Sync {
    /// Checks that what it needs is there, before a workload starts that wants it.
    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The same for all that reach the same containers.
    fn identity(&self) -> String;

    async fn create(&self, container: &str) -> Result<(), BlobError>;

    /// When the container was created, in seconds since the epoch; `None` if there is none.
    async fn created_at(&self, container: &str) -> Result<Option<u64>, BlobError>;

    /// Removes a container with its objects.
    async fn delete(&self, container: &str) -> Result<(), BlobError>;

    /// Removes all objects.
    async fn clear(&self, container: &str) -> Result<(), BlobError>;

    /// `None` if there is no such object.
    async fn info(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError>;

    async fn read(&self, container: &str, object: &str, range: Range) -> Result<Content, BlobError>;

    /// Room for the content of an object to be.
    async fn begin(&self) -> Result<Box<dyn Upload>, BlobError>;

    async fn delete_objects(&self, container: &str, objects: Vec<String>) -> Result<(), BlobError>;

    async fn names(&self, container: &str) -> Result<BoxStream<'static, Result<String, BlobError>>, BlobError>;
}

/// Content on its way. Dropped without a commit, it leaves no trace.
#[async_trait]
pub(crate) trait Upload: Send {
    async fn write(self: Box<Self>, bytes: Bytes) -> Result<Box<dyn Upload>, BlobError>;

    /// Creates or replaces an object in one step.
    async fn commit(self: Box<Self>, container: String, object: String) -> Result<(), BlobError>;
}

/// An object in a store.
#[derive(Clone)]
pub(crate) struct Location {
    pub(crate) containers: Arc<dyn Containers>,
    pub(crate) container: String,
    pub(crate) object: String,
}

impl Location {
    /// Copies this object to another place.
    pub(crate) async fn copy_to(&self, target: &Location, limit: Option<u64>) -> Result<(), BlobError> {
        let mut content = self.containers.read(&self.container, &self.object, Range::ALL).await?;
        if let Some(limit) = limit.filter(|limit| content.size > *limit) {
            return Err(BlobError::TooLarge { limit });
        }
        if target.containers.created_at(&target.container).await?.is_none() {
            return Err(BlobError::NoContainer(target.container.clone()));
        }
        let mut upload = target.containers.begin().await?;
        while let Some(chunk) = content.chunks.next().await {
            upload = upload.write(chunk?).await?;
        }
        upload.commit(target.container.clone(), target.object.clone()).await
    }

    /// Whether both are the same object of the same backend.
    pub(crate) fn is_same(&self, other: &Location) -> bool {
        self.containers.identity() == other.containers.identity()
            && self.container == other.container
            && self.object == other.object
    }

    /// Removes this object.
    pub(crate) async fn remove(&self) -> Result<(), BlobError> {
        self.containers.delete_objects(&self.container, vec![self.object.clone()]).await
    }
}
