//! Buckets in PostgreSQL: a row for each key.
//!
//! Every operation is one statement, and so is every batch: it happens as a whole or not at all, whichever of several
//! hosts it comes from, and whenever one of them dies.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::backend::{Backend, Bucket, BucketError, Page, PageBuilder, Swapped, Value, Version, sum};
use crate::plugin::storage::{files, names};
use crate::plugin::wasmcloud_postgres::{Parameters, Postgres, execute};

/// Rows that are read at once. A page has no more keys than that, unless some share a position.
const ROWS: i64 = 1_001;

/// How often an operation is tried that others come between.
const ATTEMPTS: usize = 8;

const GET: &str = "select value, version from wash.keyvalue where bucket = $1 and digest = $2";

const SET: &str = "
insert into wash.keyvalue (bucket, digest, key, value, version) values ($1, $2, $3, $4, $5)
on conflict (bucket, digest) do update set value = excluded.value, version = excluded.version";

const DELETE: &str = "delete from wash.keyvalue where bucket = $1 and digest = $2";

const EXISTS: &str = "select 1 from wash.keyvalue where bucket = $1 and digest = $2";

const LIST: &str = "
select digest, key from wash.keyvalue where bucket = $1 and digest >= $2 order by digest limit $3";

// `encode` fails for no bytes, and the pattern leaves only what is a number.
const INCREMENT: &str = "
insert into wash.keyvalue as present (bucket, digest, key, value, version) values ($1, $2, $3, $4, $5)
on conflict (bucket, digest) do update
set value = convert_to((encode(present.value, 'escape')::numeric + $6::text::numeric)::text, 'UTF8'),
    version = excluded.version
where case when encode(present.value, 'escape') ~ '^[+-]?[0-9]{1,39}$'
    then encode(present.value, 'escape')::numeric + $6::text::numeric
        between $7::text::numeric and $8::text::numeric
    else false end
returning value";

const INSERT: &str = "
insert into wash.keyvalue (bucket, digest, key, value, version) values ($1, $2, $3, $4, $5)
on conflict (bucket, digest) do nothing";

const REPLACE: &str = "
update wash.keyvalue set value = $3, version = $4 where bucket = $1 and digest = $2 and version = $5";

// Rows are locked in the same order by everybody, so that two batches do not wait for each other.
const SET_MANY: &str = "
insert into wash.keyvalue (bucket, digest, key, value, version)
select $1, digest, key, value, version
from unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[]) as new (digest, key, value, version)
order by digest
on conflict (bucket, digest) do update set value = excluded.value, version = excluded.version";

const DELETE_MANY: &str = "
with doomed as (
    select digest from wash.keyvalue where bucket = $1 and digest = any($2::bytea[]) order by digest for update
)
delete from wash.keyvalue using doomed where bucket = $1 and keyvalue.digest = doomed.digest";

/// Buckets in a database.
#[derive(Debug)]
pub(crate) struct PostgresBackend(pub(crate) Postgres);

#[async_trait]
impl Backend for PostgresBackend {
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError> {
        Ok(Arc::new(PostgresBucket { postgres: self.0.clone(), id: names::digest_of_pair(namespace, name) }))
    }

    fn forget(&self, _: &str) {}
}

struct PostgresBucket {
    postgres: Postgres,
    id: [u8; 32],
}

fn digest(key: &str) -> [u8; 32] {
    *blake3::hash(key.as_bytes()).as_bytes()
}

fn new_version() -> [u8; 16] {
    files::unique().to_be_bytes()
}

fn value(row: &Row) -> Result<Value, BucketError> {
    let (bytes, version): (Vec<u8>, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
    let version: [u8; 16] = version.try_into().map_err(|_| damaged("a version has another length"))?;
    Ok(Value { bytes: bytes.into(), version: Version(u128::from_be_bytes(version)) })
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, index: usize) -> io::Result<T> {
    row.try_get(index).map_err(io::Error::other)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl PostgresBucket {
    fn id(&self) -> &[u8] {
        &self.id
    }

    /// Adds what would be out of range where there is nothing.
    async fn add_to_what_is_there(
        &self,
        key: &str,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, BucketError> {
        for _ in 0..ATTEMPTS {
            let current = self.get(key).await?;
            let (sum, bytes) = sum(current.as_ref().map(|value| &*value.bytes), delta, &range)?;
            if let Swapped::Done = self.swap(key, current.map(|value| value.version), bytes).await? {
                return Ok(sum);
            }
        }
        Err(BucketError::Io(io::Error::other("other writes came between each time")))
    }

    /// A batch is tried again if the server ends it because it and others wait for each other.
    async fn batch(&self, statement: &str, parameters: Parameters<'_>) -> Result<(), BucketError> {
        for _ in 1..ATTEMPTS {
            match self.postgres.execute(statement, parameters).await {
                Err(err) if is_deadlock(&err) => {}
                result => return Ok(result.map(|_| ())?),
            }
        }
        self.postgres.execute(statement, parameters).await?;
        Ok(())
    }
}

fn is_deadlock(err: &io::Error) -> bool {
    let err = err.get_ref().and_then(|err| err.downcast_ref::<tokio_postgres::Error>());
    err.and_then(tokio_postgres::Error::code) == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}

#[async_trait]
impl Bucket for PostgresBucket {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError> {
        let rows = self.postgres.query(GET, &[&self.id(), &&digest(key)[..]]).await?;
        rows.first().map(value).transpose()
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        let (digest, version) = (digest(key), new_version());
        let parameters: Parameters<'_> = &[&self.id(), &&digest[..], &key.as_bytes(), &&value[..], &&version[..]];
        self.postgres.execute(SET, parameters).await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.postgres.execute(DELETE, &[&self.id(), &&digest(key)[..]]).await?;
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        let rows = self.postgres.query(EXISTS, &[&self.id(), &&digest(key)[..]]).await?;
        Ok(!rows.is_empty())
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        // A digest begins with its key's position.
        let mut start = match cursor {
            None => Vec::new(),
            Some(u64::MAX) => return Ok(Page::default()),
            Some(cursor) => (cursor + 1).to_be_bytes().to_vec(),
        };
        let mut page = PageBuilder::default();
        loop {
            let rows = self.postgres.query(LIST, &[&self.id(), &start, &ROWS]).await?;
            for row in &rows {
                let key = String::from_utf8(column(row, 1)?).map_err(|_| damaged("a key is no text"))?;
                let position = names::position(&key);
                if page.ends_before(position) {
                    return Ok(page.finish());
                }
                page.push(position, key);
            }
            match rows.last() {
                Some(last) if rows.len() as i64 == ROWS => {
                    start = column(last, 0)?;
                    // Directly behind it.
                    start.push(0);
                }
                _ => return Ok(page.finish()),
            }
        }
    }

    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError> {
        let (digest, key_bytes) = (digest(key), key.as_bytes());
        let (delta_text, least, most) = (delta.to_string(), range.start().to_string(), range.end().to_string());
        // What is stored where there is nothing yet.
        let Ok((_, first)) = sum(None, delta, &range) else {
            return self.add_to_what_is_there(key, delta, range).await;
        };
        for _ in 0..ATTEMPTS {
            let (id, version) = (self.id(), new_version());
            let parameters: Parameters<'_> =
                &[&id, &&digest[..], &key_bytes, &&first[..], &&version[..], &delta_text, &least, &most];
            // Not repeated by itself: whether a connection that fails has done it, nobody knows.
            let client = self.postgres.client().await?;
            let statement = client.prepare_cached(INCREMENT).await.map_err(io::Error::other)?;
            let incremented = client.query_opt(&statement, parameters).await.map_err(io::Error::other)?;
            if let Some(row) = incremented {
                let bytes: Vec<u8> = column(&row, 0)?;
                let sum = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
                return Ok(sum.ok_or_else(|| damaged("a sum is no number"))?);
            }
            drop(client);
            let current = self.get(key).await?;
            // Says why not, unless another write has come between.
            sum(current.as_ref().map(|value| &*value.bytes), delta, &range)?;
        }
        Err(BucketError::Io(io::Error::other("other writes came between each time")))
    }

    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError> {
        let (digest, version, id) = (digest(key), new_version(), self.id());
        // Not repeated by itself: whether a connection that fails has done it, nobody knows.
        let client = self.postgres.client().await?;
        let changed = match expected {
            None => {
                let key = key.as_bytes();
                let row: Parameters<'_> = &[&id, &&digest[..], &key, &&value[..], &&version[..]];
                execute(&client, INSERT, row).await
            }
            Some(Version(expected)) => {
                let expected = expected.to_be_bytes();
                let row: Parameters<'_> = &[&id, &&digest[..], &&value[..], &&version[..], &&expected[..]];
                execute(&client, REPLACE, row).await
            }
        };
        if changed.map_err(io::Error::other)? == 1 {
            return Ok(Swapped::Done);
        }
        drop(client);
        Ok(Swapped::Changed(self.get(key).await?))
    }

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError> {
        // The last value of a key counts, and one statement changes no row twice.
        let latest: std::collections::HashMap<&str, &Bytes> =
            pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let rows: Vec<_> = latest.into_iter().map(|(key, value)| (digest(key), key, value, new_version())).collect();
        let digests: Vec<&[u8]> = rows.iter().map(|(digest, ..)| &digest[..]).collect();
        let keys: Vec<&[u8]> = rows.iter().map(|(_, key, ..)| key.as_bytes()).collect();
        let values: Vec<&[u8]> = rows.iter().map(|(_, _, value, _)| &value[..]).collect();
        let versions: Vec<&[u8]> = rows.iter().map(|(.., version)| &version[..]).collect();
        self.batch(SET_MANY, &[&self.id(), &digests, &keys, &values, &versions]).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let digests: Vec<[u8; 32]> = keys.iter().map(|key| digest(key)).collect();
        let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        self.batch(DELETE_MANY, &[&self.id(), &digests]).await
    }
}
