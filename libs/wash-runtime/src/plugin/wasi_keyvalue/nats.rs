//! Buckets in NATS: a bucket of JetStream's key-value store for each, made when something is set in it.
//!
//! A write is one message, and its revision the identity of the write; who writes over what he has seen says so, and the
//! server refuses where somebody else was first. Batches are not whole: each key is written by itself. Each page of names
//! is picked from all of them, which the server lists anew.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::kv::Operation;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, PurgeErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::backend::{Backend, Bucket, BucketError, Page, PageBuilder, Swapped, Value, Version, sum};
use crate::plugin::nats::names::{self as nats_names, KeyName};
use crate::plugin::nats::{Connection, Nats};
use crate::plugin::storage::names;

/// How often an operation is tried that others come between.
const ATTEMPTS: usize = 64;

/// Writes of one batch that are under way at once.
const WRITES_AT_ONCE: usize = 32;

/// The names that a page may need, and one more: all others are forgotten while the server lists them.
const NAMES: usize = 1_001;

/// The field behind a name at a value's end, in bytes.
const LENGTH_FIELD: usize = 4;

/// What says that a message is the mark of a deletion.
const OPERATION: &str = "KV-Operation";

/// Buckets on a NATS server.
#[derive(Debug)]
pub(crate) struct NatsBackend(pub(crate) Nats);

#[async_trait]
impl Backend for NatsBackend {
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError> {
        Ok(Arc::new(NatsBucket { nats: self.0.clone(), name: nats_names::bucket(namespace, name) }))
    }

    fn forget(&self, _: &str) {}

    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(self.0.prepare_storage().await?)
    }
}

struct NatsBucket {
    nats: Nats,
    name: String,
}

/// What a key's last message says.
struct Last {
    /// None if it is the mark of a deletion.
    value: Option<Value>,
    revision: u64,
}

impl NatsBucket {
    fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    fn subject(&self, key: &KeyName) -> String {
        format!("$KV.{}.{}", self.name, key.text)
    }

    /// The last message of a key, from whoever leads the stream.
    async fn last(&self, key: &str) -> io::Result<Option<Last>> {
        let name = &KeyName::of(key);
        self.nats
            .repeated(|connection: Connection| async move { self.last_of(&connection.jetstream, name).await })
            .await
    }

    async fn last_of(&self, jetstream: &Context, key: &KeyName) -> io::Result<Option<Last>> {
        let stream = jetstream.get_stream_no_info(self.stream()).await.map_err(io::Error::other)?;
        match stream.get_last_raw_message_by_subject(&self.subject(key)).await {
            Ok(message) => Ok(Some(read(message, key.is_digest)?)),
            Err(err) => match err.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(err) if err.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(io::Error::other(err)),
            },
        }
    }

    /// Writes a value, if the last message of its key is still the expected one. Says whether it is.
    async fn write(&self, connection: &Connection, key: &str, value: &Bytes, expected: Option<u64>) -> Written {
        let name = KeyName::of(key);
        let payload = with_name(value, key, &name);
        let limit = connection.client.max_payload();
        if payload.len() > limit {
            return Err(BucketError::TooLarge { size: value.len(), limit });
        }
        let (subject, payload) = (&self.subject(&name), &payload);
        let publish = || async move {
            let mut headers = HeaderMap::new();
            if let Some(expected) = expected {
                headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
            }
            let jetstream = &connection.jetstream;
            jetstream.publish_with_headers(subject.clone(), headers, payload.clone()).await?.await
        };
        let mut written = publish().await;
        if written.as_ref().is_err_and(|err| err.kind() == PublishErrorKind::StreamNotFound) {
            self.make(&connection.jetstream).await?;
            written = publish().await;
        }
        match written {
            Ok(_) => Ok(true),
            Err(err) if err.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(err) if err.kind() == PublishErrorKind::MaxPayloadExceeded => {
                Err(BucketError::TooLarge { size: value.len(), limit })
            }
            Err(err) => Err(io::Error::other(err).into()),
        }
    }

    /// Makes the bucket. Somebody else may do the same, which is no error.
    async fn make(&self, jetstream: &Context) -> io::Result<()> {
        // As NATS's own clients make it, which ask for the account besides and do not read what older servers say of it.
        let config = Config {
            name: self.stream(),
            subjects: vec![format!("$KV.{}.>", self.name)],
            max_messages_per_subject: 1,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            discard: DiscardPolicy::New,
            num_replicas: 1,
            ..Config::default()
        };
        jetstream.create_stream(config).await.map_err(io::Error::other)?;
        Ok(())
    }

    async fn remove(&self, jetstream: &Context, key: &str) -> io::Result<()> {
        let stream = jetstream.get_stream_no_info(self.stream()).await.map_err(io::Error::other)?;
        match stream.purge().filter(self.subject(&KeyName::of(key))).await {
            Ok(_) => Ok(()),
            Err(err) => match err.kind() {
                PurgeErrorKind::JetStream(err) if err.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(()),
                _ => Err(io::Error::other(err)),
            },
        }
    }

    /// The names behind a position, those of the lowest positions.
    async fn names(&self, jetstream: &Context, after: Option<u64>) -> io::Result<BTreeSet<(u64, String)>> {
        let mut found = BTreeSet::new();
        let stream = match jetstream.get_stream(self.stream()).await {
            Ok(stream) => stream,
            Err(err) => match err.kind() {
                GetStreamErrorKind::JetStream(err) if err.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return Ok(found);
                }
                _ => return Err(io::Error::other(err)),
            },
        };
        let store = jetstream.get_key_value(&self.name).await.map_err(io::Error::other)?;
        let mut seen = HashSet::new();
        let mut keys = store.keys().await.map_err(io::Error::other)?;
        while let Some(text) = keys.try_next().await.map_err(io::Error::other)? {
            seen.insert(names::position(&text));
            self.add(&mut found, jetstream, text, after).await?;
        }
        // A key that is written meanwhile moves behind the messages that such a listing has begun with.
        let prefix = format!("$KV.{}.", self.name);
        let mut subjects = stream.info_with_subjects(format!("{prefix}>")).await.map_err(io::Error::other)?;
        while let Some((subject, _)) = subjects.try_next().await.map_err(io::Error::other)? {
            let Some(text) = subject.strip_prefix(&prefix) else { continue };
            if seen.contains(&names::position(text)) {
                continue;
            }
            let entry = store.entry(text).await.map_err(io::Error::other)?;
            if entry.is_some_and(|entry| entry.operation == Operation::Put) {
                self.add(&mut found, jetstream, text.to_owned(), after).await?;
            }
        }
        Ok(found)
    }

    /// Adds the name that a key stands for, if it is behind the position, and forgets the last ones of too many.
    async fn add(
        &self,
        found: &mut BTreeSet<(u64, String)>,
        jetstream: &Context,
        text: String,
        after: Option<u64>,
    ) -> io::Result<()> {
        let Some(name) = self.name_of(jetstream, text).await? else { return Ok(()) };
        let position = names::position(&name);
        if after.is_none_or(|after| position > after) {
            found.insert((position, name));
        }
        // Those that share the last position stay, so that a page is never cut between them.
        while found.len() > NAMES
            && let Some((last, _)) = found.last().cloned()
            && found.iter().rev().nth(1).is_some_and(|(position, _)| *position < last)
        {
            found.pop_last();
        }
        Ok(())
    }

    /// The name that a key stands for, if it is one of ours.
    async fn name_of(&self, jetstream: &Context, text: String) -> io::Result<Option<String>> {
        if !KeyName::is_digest(&text) {
            return Ok(KeyName::read(&text));
        }
        let stream = jetstream.get_stream_no_info(self.stream()).await.map_err(io::Error::other)?;
        let subject = self.subject(&KeyName { text, is_digest: true });
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(split(&message.payload)?.1),
            // It has been deleted meanwhile.
            Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(err) => Err(io::Error::other(err)),
        }
    }
}

/// Whether a value was written.
type Written = Result<bool, BucketError>;

fn read(message: StreamMessage, has_name: bool) -> io::Result<Last> {
    let revision = message.sequence;
    let is_mark = message.headers.get(OPERATION).is_some_and(|operation| operation.as_str() != "PUT");
    if is_mark {
        return Ok(Last { value: None, revision });
    }
    let bytes = if has_name { split(&message.payload)?.0 } else { message.payload };
    Ok(Last { value: Some(Value { bytes, version: Version(revision.into()) }), revision })
}

/// A value, with its name at the end where its key is only a digest of that.
fn with_name(value: &Bytes, name: &str, key: &KeyName) -> Bytes {
    if !key.is_digest {
        return value.clone();
    }
    let mut bytes = BytesMut::with_capacity(value.len() + name.len() + LENGTH_FIELD);
    bytes.put_slice(value);
    bytes.put_slice(name.as_bytes());
    // A name longer than that does not fit into a guest's memory.
    bytes.put_u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
    bytes.freeze()
}

/// A value and the name at its end.
fn split(payload: &Bytes) -> io::Result<(Bytes, Option<String>)> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the name at a value's end is damaged");
    let end = payload.len().checked_sub(LENGTH_FIELD).ok_or_else(damaged)?;
    let length = payload[end..].try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
    let start = usize::try_from(length).ok().and_then(|length| end.checked_sub(length)).ok_or_else(damaged)?;
    let name = str::from_utf8(&payload[start..end]).map_err(|_| damaged())?;
    Ok((payload.slice(..start), Some(name.to_string())))
}

#[async_trait]
impl Bucket for NatsBucket {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError> {
        Ok(self.last(key).await?.and_then(|last| last.value))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        self.set_many(vec![(key.to_string(), value)]).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let remove = |connection: Connection| async move { self.remove(&connection.jetstream, key).await };
        Ok(self.nats.repeated(remove).await?)
    }

    async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        Ok(self.get(key).await?.is_some())
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        if cursor == Some(u64::MAX) {
            return Ok(Page::default());
        }
        let list = |connection: Connection| async move { self.names(&connection.jetstream, cursor).await };
        let mut page = PageBuilder::default();
        for (position, key) in self.nats.repeated(list).await? {
            if page.ends_before(position) {
                break;
            }
            page.push(position, key);
        }
        Ok(page.finish())
    }

    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError> {
        for _ in 0..ATTEMPTS {
            let last = self.last(key).await?;
            let current = last.as_ref().and_then(|last| last.value.as_ref());
            let (sum, bytes) = sum(current.map(|value| &*value.bytes), delta, &range)?;
            if self.write_after(key, bytes, last.map_or(0, |last| last.revision)).await? {
                return Ok(sum);
            }
        }
        Err(BucketError::Io(io::Error::other("other writes came between each time")))
    }

    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError> {
        let last = self.last(key).await?;
        let (current, revision) = last.map_or((None, 0), |last| (last.value, last.revision));
        if current.as_ref().map(|current| current.version) != expected {
            return Ok(Swapped::Changed(current));
        }
        if self.write_after(key, value, revision).await? {
            return Ok(Swapped::Done);
        }
        Ok(Swapped::Changed(self.get(key).await?))
    }

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError> {
        // The last value of a key counts.
        let latest: HashMap<String, Bytes> = pairs.into_iter().collect();
        let latest = &latest;
        let write_all = |connection: Connection| async move {
            let connection = &connection;
            let mut writes = Vec::with_capacity(latest.len());
            for (key, value) in latest {
                writes.push(self.write(connection, key, value, None).boxed());
            }
            let mut writes = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE);
            while let Some(written) = writes.next().await {
                if let Err(err) = written {
                    return in_part(err);
                }
            }
            Ok(Ok(()))
        };
        self.nats.repeated(write_all).await?
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let keys = &keys;
        let remove_all = |connection: Connection| async move {
            let jetstream = &connection.jetstream;
            let mut removals = Vec::with_capacity(keys.len());
            for key in keys {
                removals.push(self.remove(jetstream, key).boxed());
            }
            let mut removals = stream::iter(removals).buffer_unordered(WRITES_AT_ONCE);
            while let Some(removed) = removals.next().await {
                removed?;
            }
            Ok(())
        };
        Ok(self.nats.repeated(remove_all).await?)
    }
}

/// What failed in a part of a batch: if it was the connection, all of the batch is tried again.
fn in_part(err: BucketError) -> io::Result<Result<(), BucketError>> {
    match err {
        BucketError::Io(err) => Err(err),
        err => Ok(Err(err)),
    }
}

impl NatsBucket {
    /// Writes over a certain message, 0 if there is none. Not repeated by itself: whether a connection that fails has done
    /// it, nobody knows.
    async fn write_after(&self, key: &str, value: Bytes, revision: u64) -> Written {
        let value = &value;
        let write =
            |connection: Connection| async move { Ok(self.write(&connection, key, value, Some(revision)).await) };
        self.nats.once(write).await?
    }
}
