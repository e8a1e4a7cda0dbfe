//! What a guest's calls find: the entries of its workload, and the handles it holds.
//!
//! It is the part that both drafts share; each draft's own types stand in its own module.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasData, Resource, ResourceTable};

use super::backend::{Backend, Bucket, BucketError, Swapped, Value};
use crate::engine::Ctx;
use crate::plugin::storage::entries::Entries;

/// Bytes of values that one batch may return.
const MAX_BATCH_BYTES: usize = 64 << 20;
/// Swaps that the invocations of one component may have prepared at once: each holds a value in the host's memory.
const MAX_SWAPS: usize = 256;
/// How long a swap waits for others to end.
const SWAP_PATIENCE: Duration = Duration::from_secs(5);

/// A component's entries.
pub(super) struct Binding {
    namespace: String,
    entries: Entries<Bound>,
    swaps: Arc<Semaphore>,
}

/// An entry with its backend.
pub(super) struct Bound {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) bucket: Option<String>,
    pub(super) interfaces: HashSet<String>,
}

impl Binding {
    pub(super) fn new(namespace: &str, entries: Entries<Bound>) -> Self {
        Self { namespace: namespace.to_string(), entries, swaps: Arc::new(Semaphore::new(MAX_SWAPS)) }
    }

    pub(super) fn backends(&self) -> impl Iterator<Item = &Arc<dyn Backend>> {
        self.entries.values().map(|entry| &entry.backend)
    }
}

/// Why a guest's call failed, as the guest may know it.
#[derive(Debug)]
pub(super) enum Failure {
    NoSuchStore,
    AccessDenied,
    Other(String),
}

impl From<BucketError> for Failure {
    fn from(err: BucketError) -> Self {
        if let BucketError::Io(source) = &err {
            // Its text names paths of the host, which are no guest's business.
            tracing::error!(error = %source, "key-value storage failed");
        }
        Self::Other(err.to_string())
    }
}

/// A bucket that a guest has opened.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone)]
pub struct OpenBucket {
    bucket: Arc<dyn Bucket>,
    atomics: bool,
    batch: bool,
    swaps: Arc<Semaphore>,
}

/// A value that a guest wants to replace if nobody else does before.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct PreparedSwap {
    bucket: OpenBucket,
    key: String,
    current: Option<Value>,
    _permit: OwnedSemaphorePermit,
}

impl PreparedSwap {
    pub(super) fn current(&self) -> Option<Vec<u8>> {
        self.current.as_ref().map(|value| value.bytes.to_vec())
    }

    /// Sets the value. If another write came first, it returns itself with the value of now.
    pub(super) async fn swap(mut self, value: Vec<u8>) -> Result<Option<Self>, Failure> {
        let expected = self.current.as_ref().map(|current| current.version);
        match self.bucket.bucket.swap(&self.key, expected, value.into()).await? {
            Swapped::Done => Ok(None),
            Swapped::Changed(current) => {
                self.current = current;
                Ok(Some(self))
            }
        }
    }
}

impl OpenBucket {
    pub(super) fn bucket(&self) -> &dyn Bucket {
        &*self.bucket
    }

    /// The bucket, if its entry lists `atomics`.
    pub(super) fn atomics(&self) -> Result<&dyn Bucket, Failure> {
        if self.atomics { Ok(&*self.bucket) } else { Err(Failure::AccessDenied) }
    }

    /// The bucket, if its entry lists `batch`.
    pub(super) fn batch(&self) -> Result<&dyn Bucket, Failure> {
        if self.batch { Ok(&*self.bucket) } else { Err(Failure::AccessDenied) }
    }

    /// Values in the order of their keys.
    pub(super) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        let bucket = self.batch()?;
        let (mut values, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let value = bucket.get(&key).await?.map(|value| value.bytes.to_vec());
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            if bytes > MAX_BATCH_BYTES {
                return Err(Failure::Other(format!(
                    "these keys have more than {MAX_BATCH_BYTES} bytes of values; ask for fewer at once"
                )));
            }
            values.push((key, value));
        }
        Ok(values)
    }

    pub(super) async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        let pairs = pairs.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect();
        Ok(self.batch()?.set_many(pairs).await?)
    }

    pub(super) async fn delete_many(&self, keys: Vec<String>) -> Result<(), Failure> {
        Ok(self.batch()?.delete_many(keys).await?)
    }

    pub(super) async fn prepare_swap(&self, key: String) -> Result<PreparedSwap, Failure> {
        let bucket = self.atomics()?;
        let permit = tokio::time::timeout(SWAP_PATIENCE, self.swaps.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Failure::Other(format!("the component has prepared {MAX_SWAPS} swaps already")));
        };
        let current = bucket.get(&key).await?;
        Ok(PreparedSwap { bucket: self.clone(), key, current, _permit: permit })
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
    pub(super) fn open(&self, identifier: &str) -> Result<OpenBucket, Failure> {
        let binding = self.binding.as_ref().ok_or(Failure::AccessDenied)?;
        let entry = binding.entries.get(identifier).ok_or(Failure::NoSuchStore)?;
        let bucket = entry.backend.bucket(&binding.namespace, entry.bucket.as_deref().unwrap_or(identifier))?;
        let lists = |interface: &str| entry.interfaces.contains(interface);
        Ok(OpenBucket { bucket, atomics: lists("atomics"), batch: lists("batch"), swaps: binding.swaps.clone() })
    }

    pub(super) fn get(&self, bucket: &Resource<OpenBucket>) -> wasmtime::Result<OpenBucket> {
        Ok(self.table.get(bucket)?.clone())
    }

    pub(super) fn close(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
