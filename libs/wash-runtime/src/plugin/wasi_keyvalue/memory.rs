//! Buckets in the host's memory.
//!
//! Nothing outlasts the process, nor the last workload of a namespace.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::backend::{Backend, Bucket, BucketError, Page, PageBuilder, Swapped, Value, Version, sum};
use crate::plugin::storage::budget::{Budget, Reservation};
use crate::plugin::storage::{files, names};

/// What an entry costs beside its bytes, about.
const ENTRY_OVERHEAD: u64 = 160;

/// Buckets in memory, with a limit of bytes for each namespace.
#[derive(Debug)]
pub(crate) struct MemoryBackend {
    limit: u64,
    namespaces: Mutex<HashMap<String, Namespace>>,
}

#[derive(Debug)]
struct Namespace {
    budget: Arc<Budget>,
    buckets: HashMap<String, Arc<MemoryBucket>>,
}

/// A bucket in memory. Its keys are sorted by [position](names::position).
#[derive(Debug)]
struct MemoryBucket {
    budget: Arc<Budget>,
    entries: Mutex<Entries>,
    _name: Reservation,
}

type Entries = BTreeMap<(u64, Box<str>), Entry>;

#[derive(Debug)]
struct Entry {
    value: Value,
    _reservation: Reservation,
}

impl MemoryBackend {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, namespaces: Mutex::default() }
    }

    fn namespaces(&self) -> MutexGuard<'_, HashMap<String, Namespace>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError> {
        let mut namespaces = self.namespaces();
        let namespace = namespaces
            .entry(namespace.to_string())
            .or_insert_with(|| Namespace { budget: Budget::new(self.limit), buckets: HashMap::new() });
        if let Some(bucket) = namespace.buckets.get(name) {
            return Ok(bucket.clone());
        }
        let reservation = namespace.budget.reserve(name.len() as u64 + ENTRY_OVERHEAD)?;
        let budget = namespace.budget.clone();
        let bucket = Arc::new(MemoryBucket { budget, entries: Mutex::default(), _name: reservation });
        namespace.buckets.insert(name.to_string(), bucket.clone());
        Ok(bucket)
    }

    fn forget(&self, namespace: &str) {
        self.namespaces().remove(namespace);
    }
}

impl MemoryBucket {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere cannot have left the map half changed: each change is one insertion or removal.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, entries: &mut Entries, key: &str, value: &Bytes) -> Result<(), BucketError> {
        let reservation = self.budget.reserve(key.len() as u64 + value.len() as u64 + ENTRY_OVERHEAD)?;
        // A copy of its own: the guest's may be a part of something larger.
        let value = Value { bytes: Bytes::copy_from_slice(value), version: Version(files::unique()) };
        entries.insert(entry_key(key), Entry { value, _reservation: reservation });
        Ok(())
    }
}

fn entry_key(key: &str) -> (u64, Box<str>) {
    (names::position(key), key.into())
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError> {
        Ok(self.entries().get(&entry_key(key)).map(|entry| entry.value.clone()))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        self.put(&mut self.entries(), key, &value)
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.entries().remove(&entry_key(key));
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        Ok(self.entries().contains_key(&entry_key(key)))
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        let start = match cursor {
            None => Bound::Unbounded,
            Some(u64::MAX) => return Ok(Page::default()),
            Some(cursor) => Bound::Included((cursor + 1, Box::from(""))),
        };
        let mut page = PageBuilder::default();
        for (position, key) in self.entries().range((start, Bound::Unbounded)).map(|(key, _)| key) {
            if page.ends_before(*position) {
                break;
            }
            page.push(*position, key.to_string());
        }
        Ok(page.finish())
    }

    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError> {
        let mut entries = self.entries();
        let current = entries.get(&entry_key(key)).map(|entry| entry.value.bytes.clone());
        let (sum, value) = sum(current.as_deref(), delta, &range)?;
        self.put(&mut entries, key, &value)?;
        Ok(sum)
    }

    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError> {
        let mut entries = self.entries();
        let current = entries.get(&entry_key(key)).map(|entry| entry.value.clone());
        if current.as_ref().map(|current| current.version) != expected {
            return Ok(Swapped::Changed(current));
        }
        self.put(&mut entries, key, &value)?;
        Ok(Swapped::Done)
    }

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError> {
        let mut entries = self.entries();
        pairs.iter().try_for_each(|(key, value)| self.put(&mut entries, key, value))
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let mut entries = self.entries();
        for key in keys {
            entries.remove(&entry_key(&key));
        }
        Ok(())
    }
}
