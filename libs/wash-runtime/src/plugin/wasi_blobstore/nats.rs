//! Containers in NATS: an object store of JetStream for each, as NATS's own tools know it.
//!
//! An object is a message that names its content, and the content is messages of its own, which are there before. What an
//! object has lost goes at once, so content is fetched as a whole before any of it is handed on; what is written waits in a
//! nameless file of this machine until its place is known. Content that a host has not finished because it died stays until
//! its container is emptied.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_ROLLUP;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::object_store::{Config, ObjectInfo as Meta, ObjectOptions};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64URL;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use ring::digest::{Context as Hasher, SHA256};

use super::backend::{Backend, BlobError, Containers, Content, ObjectInfo, Range, Upload};
use crate::plugin::nats::{Connection, Nats, names as nats_names};
use crate::plugin::storage::files;

/// Bytes of a message, which is what NATS's own tools make.
const CHUNK: usize = 128 * 1024;

/// How often content is fetched anew because its object was replaced meanwhile.
const ATTEMPTS: usize = 8;

/// The longest name, in bytes, that stands in a subject; what begins like a digest does not either.
const LONGEST_NAME: usize = 1_000;
const DIGEST: &str = "~wash-";

/// Containers on a NATS server.
#[derive(Debug)]
pub(crate) struct NatsBackend(pub(crate) Nats);

impl Backend for NatsBackend {
    fn containers(&self, namespace: &str) -> Arc<dyn Containers> {
        Arc::new(NatsContainers { nats: self.0.clone(), namespace: namespace.into() })
    }

    fn forget(&self, _: &str) {}
}

#[derive(Clone)]
struct NatsContainers {
    nats: Nats,
    namespace: Arc<str>,
}

/// The names of one container on the server.
#[derive(Clone)]
struct Bucket(String);

impl Bucket {
    fn stream(&self) -> String {
        format!("OBJ_{}", self.0)
    }

    /// Where the message of an object is.
    fn object(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.0, BASE64URL.encode(name.as_bytes()))
    }

    fn objects(&self) -> String {
        format!("$O.{}.M.>", self.0)
    }

    /// Where the messages of content are.
    fn content(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.0)
    }
}

/// What an object is called on the server, and how its name is kept where that is only a digest.
fn stored_name(object: &str) -> (String, Option<String>) {
    if object.is_empty() || object.len() > LONGEST_NAME || object.starts_with(DIGEST) {
        return (format!("{DIGEST}{}", blake3::hash(object.as_bytes()).to_hex()), Some(object.to_string()));
    }
    (object.to_string(), None)
}

/// The name of an object that was stored.
fn read_name(meta: Meta) -> String {
    match meta.description {
        Some(name) if meta.name.starts_with(DIGEST) => name,
        _ => meta.name,
    }
}

fn failed(err: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(err)
}

/// An object as the server knows it.
struct Found {
    meta: Meta,
    created_at: u64,
    sequence: u64,
}

/// The first message at or behind a sequence, or the last one without, that says something of an object.
async fn find(stream: &Stream<()>, subject: &str, from: Option<u64>) -> io::Result<Option<Found>> {
    let request = stream.raw_message_builder();
    let request = match from {
        Some(sequence) => request.sequence(sequence).next_by_subject(subject),
        None => request.last_by_subject(subject),
    };
    let message = match request.send().await {
        Ok(message) => message,
        Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(err) => return Err(failed(err)),
    };
    let meta = serde_json::from_slice(&message.payload).map_err(failed)?;
    let created_at = u64::try_from(message.time.unix_timestamp()).unwrap_or_default();
    Ok(Some(Found { meta, created_at, sequence: message.sequence }))
}

async fn handle(jetstream: &Context, bucket: &Bucket) -> io::Result<Stream<()>> {
    jetstream.get_stream_no_info(bucket.stream()).await.map_err(failed)
}

impl NatsContainers {
    fn bucket(&self, container: &str) -> Bucket {
        Bucket(nats_names::bucket(&self.namespace, container))
    }

    async fn require(&self, container: &str) -> Result<(), BlobError> {
        match self.created_at(container).await? {
            Some(_) => Ok(()),
            None => Err(BlobError::NoContainer(container.to_string())),
        }
    }

    async fn find(&self, container: &str, object: &str) -> Result<Option<Found>, BlobError> {
        self.require(container).await?;
        let (bucket, subject) = (&self.bucket(container), &self.bucket(container).object(&stored_name(object).0));
        let look = |connection: Connection| async move {
            find(&handle(&connection.jetstream, bucket).await?, subject, None).await
        };
        Ok(self.nats.repeated(look).await?.filter(|found| !found.meta.deleted))
    }

    async fn purge(&self, bucket: &Bucket, subject: Option<String>) -> io::Result<()> {
        let subject = subject.as_deref();
        let purge = |connection: Connection| async move {
            let stream = handle(&connection.jetstream, bucket).await?;
            match subject {
                Some(subject) => stream.purge().filter(subject).await.map_err(failed)?,
                None => stream.purge().await.map_err(failed)?,
            };
            Ok(())
        };
        self.nats.repeated(purge).await
    }

    /// The content of an object in a file; `None` if it was replaced or deleted meanwhile.
    async fn fetch(&self, bucket: &Bucket, meta: &Meta) -> Result<Option<File>, BlobError> {
        let mut file = files::blocking(tempfile::tempfile).await?;
        let (subject, mut next, mut fetched) = (&bucket.content(&meta.nuid), 1, 0);
        while fetched < meta.size {
            let chunk = |connection: Connection| async move {
                let stream = handle(&connection.jetstream, bucket).await?;
                match stream.raw_message_builder().sequence(next).next_by_subject(subject).send().await {
                    Ok(message) => Ok(Some((message.sequence, message.payload))),
                    Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                    Err(err) => Err(failed(err)),
                }
            };
            let Some((sequence, payload)) = self.nats.repeated(chunk).await? else { return Ok(None) };
            next = sequence + 1;
            fetched += payload.len();
            file = files::blocking(move || file.write_all(&payload).map(|()| file)).await?;
        }
        if fetched != meta.size {
            return Err(damaged("an object has another size than it should have").into());
        }
        Ok(Some(file))
    }

    /// Puts the content of a file into messages. Returns how many those are, and its digest.
    async fn store(&self, bucket: &Bucket, id: &str, file: File) -> Result<(usize, String), BlobError> {
        let (subject, mut chunks) = (bucket.content(id), chunks_of(file, 0, u64::MAX));
        let (mut hasher, mut stored) = (Hasher::new(&SHA256), 0);
        // One after the other: readers get them in the order in which they came.
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
            let subject = subject.clone();
            let publish = |connection: Connection| async move {
                let sent = connection.jetstream.publish(subject, chunk).await;
                sent.map_err(failed)?.await.map_err(failed)
            };
            self.nats.once(publish).await?;
            stored += 1;
        }
        Ok((stored, format!("SHA-256={}", BASE64URL.encode(hasher.finish().as_ref()))))
    }

    /// Makes the message of an object the last one of its name.
    async fn announce(&self, bucket: &Bucket, meta: &Meta) -> io::Result<()> {
        let payload = &Bytes::from(serde_json::to_vec(meta)?);
        let announce = |connection: Connection| async move {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_ROLLUP, "sub");
            let subject = bucket.object(&meta.name);
            let sent = connection.jetstream.publish_with_headers(subject, headers, payload.clone()).await;
            sent.map_err(failed)?.await.map_err(failed)?;
            Ok(())
        };
        self.nats.repeated(announce).await
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A part of a file, piece by piece.
fn chunks_of(file: File, start: u64, length: u64) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let begun = (file, start, length);
    stream::try_unfold(begun, |(mut file, start, length)| async move {
        let read = files::blocking(move || {
            file.seek(SeekFrom::Start(start))?;
            let mut chunk = Vec::new();
            Read::by_ref(&mut file).take(length.min(CHUNK as u64)).read_to_end(&mut chunk)?;
            io::Result::Ok((file, Bytes::from(chunk)))
        });
        let (file, chunk) = read.await?;
        let size = chunk.len() as u64;
        Ok((size > 0).then(|| (chunk, (file, start + size, length - size))))
    })
    .boxed()
}

#[async_trait]
impl Containers for NatsContainers {
    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(self.nats.prepare_storage().await?)
    }

    fn identity(&self) -> String {
        format!("nats {} {}", self.nats.server(), self.namespace)
    }

    async fn create(&self, container: &str) -> Result<(), BlobError> {
        if self.created_at(container).await?.is_some() {
            return Err(BlobError::ContainerExists(container.to_string()));
        }
        let bucket = self.bucket(container).0;
        let create = |connection: Connection| async move {
            let config = Config { bucket, num_replicas: 1, ..Config::default() };
            connection.jetstream.create_object_store(config).await.map_err(failed)?;
            Ok(())
        };
        Ok(self.nats.once(create).await?)
    }

    async fn created_at(&self, container: &str) -> Result<Option<u64>, BlobError> {
        let bucket = &self.bucket(container);
        let look = |connection: Connection| async move {
            match connection.jetstream.get_stream(bucket.stream()).await {
                Ok(stream) => {
                    Ok(Some(u64::try_from(stream.cached_info().created.unix_timestamp()).unwrap_or_default()))
                }
                Err(err) => match err.kind() {
                    GetStreamErrorKind::JetStream(err) if err.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                    _ => Err(failed(err)),
                },
            }
        };
        Ok(self.nats.repeated(look).await?)
    }

    async fn delete(&self, container: &str) -> Result<(), BlobError> {
        self.require(container).await?;
        let bucket = self.bucket(container);
        let delete = |connection: Connection| async move {
            connection.jetstream.delete_object_store(&bucket.0).await.map_err(failed)
        };
        Ok(self.nats.once(delete).await?)
    }

    async fn clear(&self, container: &str) -> Result<(), BlobError> {
        self.require(container).await?;
        Ok(self.purge(&self.bucket(container), None).await?)
    }

    async fn info(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError> {
        let found = self.find(container, object).await?;
        Ok(found.map(|found| ObjectInfo { size: found.meta.size as u64, created_at: found.created_at }))
    }

    async fn read(&self, container: &str, object: &str, range: Range) -> Result<Content, BlobError> {
        let bucket = self.bucket(container);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find(container, object).await? else {
                return Err(BlobError::NoObject { container: container.to_string(), object: object.to_string() });
            };
            if let Some(file) = self.fetch(&bucket, &found.meta).await? {
                let (start, size) = range.within(found.meta.size as u64);
                return Ok(Content { size, chunks: chunks_of(file, start, size) });
            }
        }
        Err(io::Error::other("the object was replaced each time it was fetched").into())
    }

    async fn begin(&self) -> Result<Box<dyn Upload>, BlobError> {
        let file = files::blocking(tempfile::tempfile).await?;
        Ok(Box::new(NatsUpload { containers: self.clone(), file, size: 0 }))
    }

    async fn delete_objects(&self, container: &str, objects: Vec<String>) -> Result<(), BlobError> {
        let bucket = self.bucket(container);
        self.require(container).await?;
        for object in objects {
            let Some(found) = self.find(container, &object).await? else { continue };
            self.purge(&bucket, Some(bucket.object(&found.meta.name))).await?;
            self.purge(&bucket, Some(bucket.content(&found.meta.nuid))).await?;
        }
        Ok(())
    }

    async fn names(&self, container: &str) -> Result<BoxStream<'static, Result<String, BlobError>>, BlobError> {
        self.require(container).await?;
        let listing =
            Listing { nats: self.nats.clone(), bucket: self.bucket(container), next: 1, listed: HashSet::new() };
        Ok(stream::try_unfold(listing, Listing::next).boxed())
    }
}

/// Names that are being listed, from one message on.
struct Listing {
    nats: Nats,
    bucket: Bucket,
    next: u64,
    /// Digests of the names that were: an object that is replaced meanwhile comes once more.
    listed: HashSet<[u8; 16]>,
}

impl Listing {
    async fn next(mut self) -> Result<Option<(String, Self)>, BlobError> {
        loop {
            let (bucket, next) = (&self.bucket, self.next);
            let look = |connection: Connection| async move {
                find(&handle(&connection.jetstream, bucket).await?, &bucket.objects(), Some(next)).await
            };
            let Some(found) = self.nats.repeated(look).await? else { return Ok(None) };
            self.next = found.sequence + 1;
            if found.meta.deleted {
                continue;
            }
            let name = read_name(found.meta);
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *blake3::hash(name.as_bytes()).as_bytes();
            if self.listed.insert([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]) {
                return Ok(Some((name, self)));
            }
        }
    }
}

struct NatsUpload {
    containers: NatsContainers,
    file: File,
    size: usize,
}

#[async_trait]
impl Upload for NatsUpload {
    async fn write(self: Box<Self>, bytes: Bytes) -> Result<Box<dyn Upload>, BlobError> {
        let Self { containers, mut file, size } = *self;
        let size = size + bytes.len();
        let file = files::blocking(move || file.write_all(&bytes).map(|()| file)).await?;
        Ok(Box::new(Self { containers, file, size }))
    }

    async fn commit(self: Box<Self>, container: String, object: String) -> Result<(), BlobError> {
        let Self { containers, file, size } = *self;
        let before = containers.find(&container, &object).await?;
        let (bucket, id) = (containers.bucket(&container), uuid::Uuid::new_v4().simple().to_string());
        let stored = containers.store(&bucket, &id, file).await;
        if stored.is_err() {
            // As far as that is possible: the next emptying of the container takes what is left.
            _ = containers.purge(&bucket, Some(bucket.content(&id))).await;
        }
        let (chunks, digest) = stored?;
        let (name, description) = stored_name(&object);
        let meta = Meta {
            name,
            description,
            metadata: Default::default(),
            headers: None,
            options: Some(ObjectOptions { link: None, max_chunk_size: Some(CHUNK) }),
            bucket: bucket.0.clone(),
            nuid: id,
            size,
            chunks,
            // The server says when the message came.
            modified: None,
            digest: Some(digest),
            deleted: false,
        };
        containers.announce(&bucket, &meta).await?;
        if let Some(before) = before {
            containers.purge(&bucket, Some(bucket.content(&before.meta.nuid))).await?;
        }
        Ok(())
    }
}
