//! What a key-value backend does, whatever it keeps its data in.
//!
//! It knows nothing of guests, and of workloads only the namespace.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::plugin::storage::budget::Full;

/// A page of keys holds at most so many.
const PAGE_KEYS: usize = 1_000;
/// A page of keys ends once it holds so many bytes of keys.
const PAGE_BYTES: usize = 1 << 20;

/// Why an operation on a bucket failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BucketError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error("the value of this key is not a decimal integer")]
    NotAnInteger,
    #[error("the sum leaves the range of the number")]
    OutOfRange,
    #[cfg(feature = "nats")]
    #[error("a value of {size} bytes is larger than the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("the storage failed")]
    Io(#[from] io::Error),
}

/// The identity of one write of a value: no two writes share it, in no process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Version(pub(crate) u128);

/// A value and the write that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    pub(crate) version: Version,
}

/// Some of a bucket's keys.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(crate) cursor: Option<u64>,
}

/// Buckets of several namespaces.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The bucket of a namespace. It exists once it holds something.
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError>;

    /// Nobody of this namespace is left to read what does not outlast the process.
    fn forget(&self, namespace: &str);

    /// Checks that what it needs is there, before a workload starts that wants it.
    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Keys and their values. Every operation on one key is atomic; what has returned survives a crash, if the backend's data
/// survive the process at all.
#[async_trait]
pub(crate) trait Bucket: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError>;

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError>;

    async fn delete(&self, key: &str) -> Result<(), BucketError>;

    async fn exists(&self, key: &str) -> Result<bool, BucketError>;

    /// The page of keys after a cursor. A key that is there from the first page to the last is on exactly one of them,
    /// whatever is set or deleted in between.
    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError>;

    /// Adds to a decimal number, 0 if there is none yet.
    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError>;

    /// Sets a value if the key's last write is still this one (`None`: if there is no value). Otherwise it returns the
    /// value of now.
    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError>;

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError>;

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError>;
}

/// How a swap ended.
#[derive(Debug)]
pub(crate) enum Swapped {
    Done,
    Changed(Option<Value>),
}

/// The sum, and how it is stored.
pub(super) fn sum(
    current: Option<&[u8]>,
    delta: i128,
    range: &RangeInclusive<i128>,
) -> Result<(i128, Bytes), BucketError> {
    let current = match current {
        None => 0,
        Some(bytes) => {
            str::from_utf8(bytes).ok().and_then(|text| text.parse::<i128>().ok()).ok_or(BucketError::NotAnInteger)?
        }
    };
    let sum = current.checked_add(delta).filter(|sum| range.contains(sum)).ok_or(BucketError::OutOfRange)?;
    Ok((sum, Bytes::from(sum.to_string())))
}

/// Fills a page with keys that come in the order of their positions.
#[derive(Default)]
pub(super) struct PageBuilder {
    page: Page,
    bytes: usize,
    last: u64,
}

impl PageBuilder {
    /// Whether a key at this position belongs to the next page. Keys that share a position stay together.
    pub(super) fn ends_before(&mut self, position: u64) -> bool {
        let full = self.page.keys.len() >= PAGE_KEYS || self.bytes >= PAGE_BYTES;
        if full && position != self.last {
            self.page.cursor = Some(self.last);
            return true;
        }
        false
    }

    pub(super) fn push(&mut self, position: u64, key: String) {
        self.last = position;
        self.bytes += key.len();
        self.page.keys.push(key);
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}
