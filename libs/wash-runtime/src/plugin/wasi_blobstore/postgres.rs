//! Containers in PostgreSQL: a row for each object, and its content in rows of their own.
//!
//! Content is written before anybody sees it, and becomes an object in one step. Content that an object has lost stays for
//! a while, so that those who read it can go on; what nobody has finished goes after a day.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use deadpool_postgres::GenericClient;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::backend::{Backend, BlobError, Containers, Content, ObjectInfo, Range, Upload, seconds};
use crate::plugin::storage::names;
use crate::plugin::wasmcloud_postgres::Postgres;

/// Chunks that are read at once.
const CHUNKS: i64 = 4;

/// Bytes of a row: larger chunks are cut, so that a reader holds no more of them.
const LARGEST_CHUNK: usize = 256 * 1024;

/// Names that are read at once.
const NAMES: i64 = 256;

/// How often content is looked for that nobody needs any more, in seconds.
const SWEEP_INTERVAL: u64 = 600;

const CREATE: &str = "
insert into wash.blob_container (id, namespace, name, created_at) values ($1, $2, $3, $4) on conflict do nothing";

const CREATED_AT: &str = "select created_at from wash.blob_container where id = $1";

// The row is locked, so that nothing is put into a container that is being emptied or removed.
const LOCK: &str = "select from wash.blob_container where id = $1 for update";

const SHARE: &str = "select from wash.blob_container where id = $1 for key share";

const CLEAR: &str = "
with gone as (delete from wash.blob_object where container = $1 returning content)
insert into wash.blob_loose (content, until) select content, now() + interval '1 hour' from gone";

const REMOVE: &str = "delete from wash.blob_container where id = $1";

const FIND: &str = "select content, size, created_at from wash.blob_object where container = $1 and digest = $2";

const READ: &str = "
select start, bytes from wash.blob_chunk
where content = $1 and start < $3
and start >= (select max(start) from wash.blob_chunk where content = $1 and start <= $2)
order by start limit $4";

const BEGIN: &str = "
insert into wash.blob_loose (content, until) values (nextval('wash.blob_content'), now() + interval '1 day')
returning content";

const WRITE: &str = "
insert into wash.blob_chunk (content, start, bytes)
select $1, $2, $3 where exists (select from wash.blob_loose where content = $1)";

const CLAIM: &str = "delete from wash.blob_loose where content = $1";

// Of two that put the same new object, the second has to see what the first has put.
const TAKE_TURNS: &str = "select pg_advisory_xact_lock($1)";

// By itself: what the same statement changes, it does not lock.
const LOOSEN: &str = "
with before as (select content from wash.blob_object where container = $1 and digest = $2 for update)
insert into wash.blob_loose (content, until) select content, now() + interval '1 hour' from before";

const PUT: &str = "
insert into wash.blob_object (container, digest, name, content, size, created_at) values ($1, $2, $3, $4, $5, $6)
on conflict (container, digest) do update
set content = excluded.content, size = excluded.size, created_at = excluded.created_at";

// A chunk may be on its way still, on another connection: whatever comes after this goes with the next sweep.
const ABANDON: &str = "
with gone as (
    update wash.blob_loose set until = now() + interval '10 minutes' where content = $1 returning content
)
delete from wash.blob_chunk using gone where blob_chunk.content = gone.content";

const DELETE: &str = "
with gone as (
    delete from wash.blob_object where container = $1 and digest = any($2::bytea[]) returning content
)
insert into wash.blob_loose (content, until) select content, now() + interval '1 hour' from gone";

const LIST: &str = "
select digest, name from wash.blob_object where container = $1 and digest > $2 order by digest limit $3";

const SWEEP: &str = "
with gone as (delete from wash.blob_loose where until < now() returning content)
delete from wash.blob_chunk using gone where blob_chunk.content = gone.content";

/// Containers in a database.
#[derive(Debug)]
pub(crate) struct PostgresBackend(pub(crate) Postgres);

impl Backend for PostgresBackend {
    fn containers(&self, namespace: &str) -> Arc<dyn Containers> {
        Arc::new(PostgresContainers { postgres: self.0.clone(), namespace: namespace.into() })
    }

    fn forget(&self, _: &str) {}
}

#[derive(Clone)]
struct PostgresContainers {
    postgres: Postgres,
    namespace: Arc<str>,
}

type Digest = [u8; 32];

fn digest(name: &str) -> Digest {
    *blake3::hash(name.as_bytes()).as_bytes()
}

fn failed(err: tokio_postgres::Error) -> BlobError {
    BlobError::Io(io::Error::other(err))
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, BlobError> {
    row.try_get(index).map_err(failed)
}

/// Sizes and times are no negative numbers, and none is so large that it would not fit.
fn number(row: &Row, index: usize) -> Result<u64, BlobError> {
    u64::try_from(column::<i64>(row, index)?).map_err(|_| damaged("a size or a time is negative"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn damaged(what: &str) -> BlobError {
    BlobError::Io(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// Stands for one object in one container, and for others by chance, which does no harm.
fn turn(container: &Digest, object: &Digest) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *container;
    let [i, j, k, l, m, n, o, p, ..] = *object;
    i64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ i64::from_le_bytes([i, j, k, l, m, n, o, p])
}

fn now() -> i64 {
    signed(seconds(SystemTime::now()))
}

impl PostgresContainers {
    fn id(&self, container: &str) -> Digest {
        names::digest_of_pair(&self.namespace, container)
    }

    async fn require(&self, container: &str) -> Result<(), BlobError> {
        match self.created_at(container).await? {
            Some(_) => Ok(()),
            None => Err(BlobError::NoContainer(container.to_string())),
        }
    }

    /// Removes the objects, and then does what `finally` says to the container.
    async fn empty(&self, container: &str, finally: Option<&str>) -> Result<(), BlobError> {
        let id = self.id(container);
        let mut client = self.postgres.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let id = &&id[..];
        if transaction.execute(LOCK, &[id]).await.map_err(failed)? == 0 {
            return Err(BlobError::NoContainer(container.to_string()));
        }
        transaction.execute(CLEAR, &[id]).await.map_err(failed)?;
        if let Some(statement) = finally {
            transaction.execute(statement, &[id]).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn find(&self, container: &str, object: &str) -> Result<Option<Row>, BlobError> {
        let (id, digest) = (self.id(container), digest(object));
        let row = self.postgres.query(FIND, &[&&id[..], &&digest[..]]).await?.into_iter().next();
        if row.is_none() {
            self.require(container).await?;
        }
        Ok(row)
    }

    /// Removes content that nobody needs any more, now and then.
    async fn sweep_if_due(&self) -> Result<(), BlobError> {
        static SWEPT: AtomicU64 = AtomicU64::new(0);
        let (now, last) = (seconds(SystemTime::now()), SWEPT.load(Ordering::Relaxed));
        let is_due = now.saturating_sub(last) >= SWEEP_INTERVAL;
        if is_due && SWEPT.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            sweep(&self.postgres).await?;
        }
        Ok(())
    }
}

pub(super) async fn sweep(postgres: &Postgres) -> io::Result<()> {
    postgres.execute(SWEEP, &[]).await?;
    Ok(())
}

#[async_trait]
impl Containers for PostgresContainers {
    fn identity(&self) -> String {
        format!("database {} {}", self.postgres.server(), self.namespace)
    }

    async fn create(&self, container: &str) -> Result<(), BlobError> {
        let id = self.id(container);
        let client = self.postgres.client().await?;
        let (namespace, name) = (self.namespace.as_bytes(), container.as_bytes());
        let created = client.execute(CREATE, &[&&id[..], &namespace, &name, &now()]).await.map_err(failed)?;
        if created == 0 { Err(BlobError::ContainerExists(container.to_string())) } else { Ok(()) }
    }

    async fn created_at(&self, container: &str) -> Result<Option<u64>, BlobError> {
        let id = self.id(container);
        let rows = self.postgres.query(CREATED_AT, &[&&id[..]]).await?;
        rows.first().map(|row| number(row, 0)).transpose()
    }

    async fn delete(&self, container: &str) -> Result<(), BlobError> {
        self.empty(container, Some(REMOVE)).await
    }

    async fn clear(&self, container: &str) -> Result<(), BlobError> {
        self.empty(container, None).await
    }

    async fn info(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError> {
        let row = self.find(container, object).await?;
        row.map(|row| Ok(ObjectInfo { size: number(&row, 1)?, created_at: number(&row, 2)? })).transpose()
    }

    async fn read(&self, container: &str, object: &str, range: Range) -> Result<Content, BlobError> {
        let Some(row) = self.find(container, object).await? else {
            return Err(BlobError::NoObject { container: container.to_string(), object: object.to_string() });
        };
        let (start, size) = range.within(number(&row, 1)?);
        let reading = Reading { postgres: self.postgres.clone(), content: column(&row, 0)?, start, end: start + size };
        Ok(Content { size, chunks: stream::try_unfold(reading, Reading::next).try_flatten().boxed() })
    }

    async fn begin(&self) -> Result<Box<dyn Upload>, BlobError> {
        self.sweep_if_due().await?;
        let rows = self.postgres.query(BEGIN, &[]).await?;
        let content = rows.first().ok_or_else(|| damaged("a sequence has no number"))?;
        let content = Loose { postgres: self.postgres.clone(), content: Some(column(content, 0)?) };
        Ok(Box::new(PostgresUpload { containers: self.clone(), content, size: 0 }))
    }

    async fn delete_objects(&self, container: &str, objects: Vec<String>) -> Result<(), BlobError> {
        self.require(container).await?;
        let (id, digests) = (self.id(container), objects.iter().map(|object| digest(object)).collect::<Vec<_>>());
        let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        self.postgres.execute(DELETE, &[&&id[..], &digests]).await?;
        Ok(())
    }

    async fn names(&self, container: &str) -> Result<BoxStream<'static, Result<String, BlobError>>, BlobError> {
        self.require(container).await?;
        let listing = Listing { postgres: self.postgres.clone(), container: self.id(container), after: Vec::new() };
        Ok(stream::try_unfold(listing, Listing::next).try_flatten().boxed())
    }
}

type Items<T> = stream::Iter<std::vec::IntoIter<Result<T, BlobError>>>;

/// Content that is being read, from one byte on up to another.
struct Reading {
    postgres: Postgres,
    content: i64,
    start: u64,
    end: u64,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Items<Bytes>, Self)>, BlobError> {
        if self.start >= self.end {
            return Ok(None);
        }
        let (content, start, end) = (self.content, signed(self.start), signed(self.end));
        let rows = self.postgres.query(READ, &[&content, &start, &end, &CHUNKS]).await?;
        let mut chunks = Vec::new();
        for row in rows {
            let (at, bytes) = (number(&row, 0)?, Bytes::from(column::<Vec<u8>>(&row, 1)?));
            let skip = self.start.saturating_sub(at).min(bytes.len() as u64);
            let until = self.end.saturating_sub(at).min(bytes.len() as u64);
            // Both are at most the chunk's length.
            let chunk = bytes.slice(skip as usize..until.max(skip) as usize);
            if at > self.start || chunk.is_empty() {
                return Err(missing());
            }
            self.start += chunk.len() as u64;
            chunks.push(Ok(chunk));
        }
        if chunks.is_empty() {
            return Err(missing());
        }
        Ok(Some((stream::iter(chunks), self)))
    }
}

/// The object was replaced or deleted too long ago.
fn missing() -> BlobError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// Names that are being listed, from one digest on.
struct Listing {
    postgres: Postgres,
    container: Digest,
    after: Vec<u8>,
}

impl Listing {
    async fn next(mut self) -> Result<Option<(Items<String>, Self)>, BlobError> {
        let rows = self.postgres.query(LIST, &[&&self.container[..], &self.after, &NAMES]).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = column(last, 0)?;
        let name = |row: &Row| String::from_utf8(column(row, 1)?).map_err(|_| damaged("a name is no text"));
        let names: Vec<_> = rows.iter().map(name).collect();
        Ok(Some((stream::iter(names), self)))
    }
}

/// Content that is no object's. Dropped, it is removed, and its last trace after some minutes; what a host cannot remove because it dies goes after a day.
struct Loose {
    postgres: Postgres,
    content: Option<i64>,
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Some(content) = self.content {
            let postgres = self.postgres.clone();
            self.postgres.spawn(async move {
                if let Err(err) = postgres.execute(ABANDON, &[&content]).await {
                    tracing::debug!("unfinished content stays for a day: {err}");
                }
            });
        }
    }
}

struct PostgresUpload {
    containers: PostgresContainers,
    content: Loose,
    size: u64,
}

impl PostgresUpload {
    fn content(&self) -> i64 {
        // It is taken out at the very end only.
        self.content.content.unwrap_or_default()
    }

    /// Puts the content into its place, in a transaction: `false` if there is no such container.
    async fn put(&self, client: &impl GenericClient, container: &Digest, object: &str) -> Result<bool, BlobError> {
        if client.execute(SHARE, &[&&container[..]]).await.map_err(failed)? == 0 {
            return Ok(false);
        }
        let content = self.content();
        if client.execute(CLAIM, &[&content]).await.map_err(failed)? == 0 {
            return Err(missing());
        }
        let (digest, name) = (digest(object), object.as_bytes());
        client.execute(TAKE_TURNS, &[&turn(container, &digest)]).await.map_err(failed)?;
        let (container, digest, size, now) = (&container[..], &digest[..], signed(self.size), now());
        client.execute(LOOSEN, &[&container, &digest]).await.map_err(failed)?;
        client.execute(PUT, &[&container, &digest, &name, &content, &size, &now]).await.map_err(failed)?;
        Ok(true)
    }
}

#[async_trait]
impl Upload for PostgresUpload {
    async fn write(mut self: Box<Self>, mut bytes: Bytes) -> Result<Box<dyn Upload>, BlobError> {
        let client = self.containers.postgres.client().await?;
        let statement = client.prepare_cached(WRITE).await.map_err(failed)?;
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(LARGEST_CHUNK));
            let (content, start, chunk) = (self.content(), signed(self.size), &chunk[..]);
            if client.execute(&statement, &[&content, &start, &chunk]).await.map_err(failed)? == 0 {
                return Err(missing());
            }
            self.size += chunk.len() as u64;
        }
        Ok(self)
    }

    async fn commit(mut self: Box<Self>, container: String, object: String) -> Result<(), BlobError> {
        let id = self.containers.id(&container);
        let mut client = self.containers.postgres.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        if !self.put(&transaction, &id, &object).await? {
            return Err(BlobError::NoContainer(container));
        }
        transaction.commit().await.map_err(failed)?;
        self.content.content = None;
        Ok(())
    }
}
