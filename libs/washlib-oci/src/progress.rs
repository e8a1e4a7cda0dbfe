//! How a client tells what it is doing, without knowing who watches.

use std::time::Duration;

use crate::digest::Digest;

/// Hears how far a transfer is. Every method does nothing by default.
pub trait Progress: Send + Sync {
    /// Something is about to be done, such as `pulling ghcr.io/acme/hello:1`.
    fn message(&self, _text: &str) {}

    /// `done` of `total` bytes of a blob have come. Blobs may come at the same time.
    fn received(&self, _blob: &Digest, _done: u64, _total: u64) {}

    /// `done` of `total` bytes of a body have been sent.
    fn sent(&self, _done: u64, _total: u64) {}

    /// Something failed and will be tried again after `pause`.
    fn retrying(&self, _reason: &str, _pause: Duration) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {}
