//! Objects as the byte streams that guests read and write.
//!
//! At most one chunk of each is held in the host's memory, beside what a backend itself keeps there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::backend::{BlobError, Containers, Location, Upload};
use super::binding::words;

/// Bytes that are collected before they are handed to the backend.
const CHUNK: usize = 64 * 1024;
/// Bytes that are collected for a value of which the store is not known yet.
const UNASSIGNED: usize = 1 << 20;

/// An object that is being read.
pub(super) struct Reader {
    chunks: BoxStream<'static, Result<Bytes, BlobError>>,
    pending: Bytes,
    state: ReaderState,
    _permit: OwnedSemaphorePermit,
}

enum ReaderState {
    Open,
    Ended,
    Failed(String),
}

impl Reader {
    pub(super) fn new(chunks: BoxStream<'static, Result<Bytes, BlobError>>, permit: OwnedSemaphorePermit) -> Self {
        Self { chunks, pending: Bytes::new(), state: ReaderState::Open, _permit: permit }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        while self.pending.is_empty() && matches!(self.state, ReaderState::Open) {
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.pending = chunk,
                Some(Err(err)) => self.state = ReaderState::Failed(words(err)),
                None => self.state = ReaderState::Ended,
            }
        }
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if !self.pending.is_empty() {
            return Ok(self.pending.split_to(size.min(self.pending.len())));
        }
        match std::mem::replace(&mut self.state, ReaderState::Ended) {
            ReaderState::Open => {
                self.state = ReaderState::Open;
                Ok(Bytes::new())
            }
            ReaderState::Ended => Err(StreamError::Closed),
            ReaderState::Failed(text) => Err(failed(text)),
        }
    }
}

/// A value between its first byte and the object it becomes.
pub(super) struct Staging {
    buffer: BytesMut,
    /// Bytes so far, those in the buffer included.
    size: u64,
    limit: Option<u64>,
    /// The store, where there is only one.
    only: Option<Arc<dyn Containers>>,
    target: Option<Location>,
    upload: UploadState,
}

enum UploadState {
    NotBegun,
    Idle(Box<dyn Upload>),
    /// Kept here, so that a guest which stops waiting loses nothing.
    Busy(BoxFuture<'static, Result<Box<dyn Upload>, BlobError>>),
    Failed(String),
    /// Finished or abandoned.
    Closed,
}

impl Staging {
    pub(super) fn new(only: Option<Arc<dyn Containers>>, limit: Option<u64>) -> Self {
        Self { buffer: BytesMut::new(), size: 0, limit, only, target: None, upload: UploadState::NotBegun }
    }

    /// Says what the value will be. The last word counts.
    pub(super) fn assign(&mut self, target: Location, limit: Option<u64>) -> Result<(), BlobError> {
        self.limit = limit;
        self.target = Some(target);
        self.check_size(self.size)
    }

    /// Makes the value its object.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        let finished = self.finish_upload().await;
        self.abandon();
        finished
    }

    /// Forgets the value.
    pub(super) fn abandon(&mut self) {
        self.upload = UploadState::Closed;
        self.buffer = BytesMut::new();
    }

    async fn finish_upload(&mut self) -> Result<(), String> {
        let Some(target) = self.target.clone() else {
            return Err("the value belongs to no object: assign it with write-data before it is finished".to_string());
        };
        self.settle().await;
        if !self.buffer.is_empty() || matches!(self.upload, UploadState::NotBegun) {
            self.hand_over();
            self.settle().await;
        }
        match std::mem::replace(&mut self.upload, UploadState::Closed) {
            UploadState::Idle(upload) => upload.commit(target.container, target.object).await.map_err(words),
            UploadState::Failed(text) => Err(text),
            UploadState::NotBegun | UploadState::Busy(_) | UploadState::Closed => {
                Err("the value is finished already".to_string())
            }
        }
    }

    /// Bytes that may be written now.
    fn room(&self) -> StreamResult<usize> {
        match &self.upload {
            UploadState::Failed(text) => Err(failed(text.clone())),
            UploadState::Closed => Err(StreamError::Closed),
            UploadState::Busy(_) => Ok(0),
            UploadState::NotBegun | UploadState::Idle(_) => Ok(self.capacity().saturating_sub(self.buffer.len())),
        }
    }

    fn write(&mut self, bytes: &Bytes) -> StreamResult<()> {
        if bytes.len() > self.room()? {
            return Err(StreamError::trap("more bytes were written than the stream had room for"));
        }
        let size = self.size + bytes.len() as u64;
        if let Err(err) = self.check_size(size) {
            let text = words(err);
            self.upload = UploadState::Failed(text.clone());
            return Err(failed(text));
        }
        self.size = size;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Waits until there is room, or the stream is at its end.
    async fn make_room(&mut self) {
        self.settle().await;
        if self.buffer.len() >= self.capacity() {
            self.hand_over();
            self.settle().await;
        }
    }

    fn store(&self) -> Option<&Arc<dyn Containers>> {
        self.target.as_ref().map(|target| &target.containers).or(self.only.as_ref())
    }

    fn capacity(&self) -> usize {
        if self.store().is_some() { CHUNK } else { UNASSIGNED }
    }

    fn check_size(&self, size: u64) -> Result<(), BlobError> {
        match self.limit {
            Some(limit) if size > limit => Err(BlobError::TooLarge { limit }),
            _ => Ok(()),
        }
    }

    /// Starts to hand the buffer to the backend.
    fn hand_over(&mut self) {
        let bytes = self.buffer.split().freeze();
        let begun = match std::mem::replace(&mut self.upload, UploadState::Closed) {
            UploadState::NotBegun => match self.store().cloned() {
                Some(store) => Box::pin(async move { store.begin().await?.write(bytes).await }) as BoxFuture<_>,
                None => {
                    let text = format!("assign the value with write-data before writing more than {UNASSIGNED} bytes");
                    self.upload = UploadState::Failed(text);
                    return;
                }
            },
            UploadState::Idle(upload) => upload.write(bytes),
            other => {
                self.upload = other;
                return;
            }
        };
        self.upload = UploadState::Busy(begun);
    }

    /// Waits for the backend.
    async fn settle(&mut self) {
        if let UploadState::Busy(work) = &mut self.upload {
            self.upload = match work.await {
                Ok(upload) => UploadState::Idle(upload),
                Err(err) => UploadState::Failed(words(err)),
            };
        }
    }
}

/// The stream that a guest writes a value to.
pub(super) struct Writer(pub(super) Arc<Mutex<Staging>>);

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.0.lock().await.make_room().await;
    }
}

/// The value is locked only while the host works for its guest, which then writes nothing.
#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.0.try_lock() {
            Ok(mut staging) => staging.write(&bytes),
            Err(_) => Err(StreamError::trap("the value is being finished")),
        }
    }

    /// Nobody sees the value before it is finished, so there is nothing to hasten.
    fn flush(&mut self) -> StreamResult<()> {
        match self.0.try_lock() {
            Ok(staging) => staging.room().map(|_| ()),
            Err(_) => Ok(()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.0.try_lock() {
            Ok(staging) => staging.room(),
            Err(_) => Ok(0),
        }
    }
}

fn failed(text: String) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(text))
}
