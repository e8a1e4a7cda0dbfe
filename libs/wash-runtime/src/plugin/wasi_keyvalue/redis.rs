//! Buckets in Redis: a hash with the values, and a sorted set with the names in the order of pages.
//!
//! Every operation that changes something is one script, and so is every batch: it happens as a whole, whichever of several
//! hosts it comes from, and whenever one of them dies. A value stands behind the sixteen bytes of its version.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, cmd};

use super::backend::{Backend, Bucket, BucketError, Page, PageBuilder, Swapped, Value, Version, sum};
use crate::plugin::redis::Redis;
use crate::plugin::storage::files;
use crate::plugin::storage::names::{self, FileName};

/// Names that are read at once. A page has no more keys than that, unless some share a position.
const NAMES: usize = 1_001;

/// How often an operation is tried that others come between.
const ATTEMPTS: usize = 64;

const VERSION_BYTES: usize = 16;
const POSITION_BYTES: usize = 8;

/// Numbers of so many digits are exact in a script, and so are their sums.
const EXACT: u128 = 999_999_999_999_999;

// Each pair is a key, its value, and its name.
const SET: &str = "
for i = 1, #ARGV, 3 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], 0, ARGV[i + 2])
end";

const DELETE: &str = "
for i = 1, #ARGV, 2 do
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i + 1])
end";

// Says nothing where others' numbers are too long for it.
const INCREMENT: &str = "
local present = redis.call('HGET', KEYS[1], ARGV[1])
local text = present and string.sub(present, 17) or '0'
if #text > 16 or not string.match(text, '^-?%d+$') then return false end
local sum = tonumber(text) + tonumber(ARGV[4])
if math.abs(sum) > 999999999999999 or sum < tonumber(ARGV[5]) or sum > tonumber(ARGV[6]) then return false end
text = string.format('%.0f', sum)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. text)
redis.call('ZADD', KEYS[2], 0, ARGV[2])
return text";

const SWAP: &str = "
local present = redis.call('HGET', KEYS[1], ARGV[1])
if (present and string.sub(present, 1, 16) or '') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[2])
return 1";

/// Buckets on a Redis server.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    redis: Redis,
    prefix: String,
}

impl RedisBackend {
    /// The prefix comes before all that the backend calls its own.
    pub(crate) fn new(redis: Redis, prefix: &str) -> Self {
        Self { redis, prefix: prefix.to_string() }
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError> {
        let (namespace, name) = (FileName::of(namespace), FileName::of(name));
        // Both keys of a bucket have the same braces, by which proxies and clusters place them together.
        let bucket = format!("{}wash:{{{}/{}}}", self.prefix, namespace.as_str(), name.as_str());
        Ok(Arc::new(RedisBucket {
            redis: self.redis.clone(),
            values: format!("{bucket}:values"),
            names: format!("{bucket}:names"),
        }))
    }

    fn forget(&self, _: &str) {}

    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(self.redis.prepare().await?)
    }
}

struct RedisBucket {
    redis: Redis,
    values: String,
    names: String,
}

/// A value with the version of this write.
fn written(value: &[u8]) -> Vec<u8> {
    [&files::unique().to_be_bytes(), value].concat()
}

/// A key behind its position, which is the order that the server keeps names in.
fn sorted(key: &str) -> Vec<u8> {
    [&names::position(key).to_be_bytes(), key.as_bytes()].concat()
}

fn value(mut stored: Bytes) -> Result<Value, BucketError> {
    if stored.len() < VERSION_BYTES {
        return Err(damaged("a value has no version").into());
    }
    let version: [u8; VERSION_BYTES] =
        stored.split_to(VERSION_BYTES)[..].try_into().map_err(|_| damaged("a value has no version"))?;
    Ok(Value { bytes: stored, version: Version(u128::from_be_bytes(version)) })
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl RedisBucket {
    /// A script, which gets both keys of the bucket.
    fn script(&self, text: &str) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(text).arg(2).arg(&self.values).arg(&self.names);
        command
    }

    /// Adds what is too long for the script.
    async fn add_here(&self, key: &str, delta: i128, range: &RangeInclusive<i128>) -> Result<i128, BucketError> {
        for _ in 0..ATTEMPTS {
            let current = self.get(key).await?;
            let (sum, bytes) = sum(current.as_ref().map(|value| &*value.bytes), delta, range)?;
            if let Swapped::Done = self.swap(key, current.map(|value| value.version), bytes).await? {
                return Ok(sum);
            }
        }
        Err(BucketError::Io(io::Error::other("other writes came between each time")))
    }
}

#[async_trait]
impl Bucket for RedisBucket {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError> {
        let stored: Option<Bytes> = self.redis.query(cmd("HGET").arg(&self.values).arg(key)).await?;
        stored.map(value).transpose()
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        Ok(self.redis.query(self.script(SET).arg(key).arg(written(&value)).arg(sorted(key))).await?)
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        Ok(self.redis.query(self.script(DELETE).arg(key).arg(sorted(key))).await?)
    }

    async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        Ok(self.redis.query(cmd("HEXISTS").arg(&self.values).arg(key)).await?)
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        let mut start = match cursor {
            None => b"-".to_vec(),
            Some(u64::MAX) => return Ok(Page::default()),
            Some(cursor) => [&b"["[..], &(cursor + 1).to_be_bytes()].concat(),
        };
        let mut page = PageBuilder::default();
        loop {
            let mut command = cmd("ZRANGEBYLEX");
            command.arg(&self.names).arg(&start).arg("+").arg("LIMIT").arg(0).arg(NAMES);
            let found: Vec<Bytes> = self.redis.query(&command).await?;
            for name in &found {
                let key = name.get(POSITION_BYTES..).map(|key| String::from_utf8(key.to_vec()));
                let Some(Ok(key)) = key else { return Err(damaged("a key is no text").into()) };
                let position = names::position(&key);
                if page.ends_before(position) {
                    return Ok(page.finish());
                }
                page.push(position, key);
            }
            match found.last() {
                // Directly behind it.
                Some(last) if found.len() == NAMES => start = [b"(", &last[..]].concat(),
                _ => return Ok(page.finish()),
            }
        }
    }

    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError> {
        if delta.unsigned_abs() > EXACT {
            return self.add_here(key, delta, &range).await;
        }
        let mut command = self.script(INCREMENT);
        command.arg(key).arg(sorted(key)).arg(&files::unique().to_be_bytes()).arg(delta.to_string());
        command.arg(range.start().to_string()).arg(range.end().to_string());
        // Not repeated by itself: whether a connection that fails has done it, nobody knows.
        match self.redis.query_once::<Option<String>>(&command).await? {
            Some(sum) => Ok(sum.parse().map_err(|_| damaged("a sum is no number"))?),
            None => self.add_here(key, delta, &range).await,
        }
    }

    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError> {
        let expected = expected.map(|Version(version)| version.to_be_bytes().to_vec()).unwrap_or_default();
        let mut command = self.script(SWAP);
        command.arg(key).arg(sorted(key)).arg(written(&value)).arg(expected);
        // Not repeated by itself: whether a connection that fails has done it, nobody knows.
        if self.redis.query_once(&command).await? {
            return Ok(Swapped::Done);
        }
        Ok(Swapped::Changed(self.get(key).await?))
    }

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError> {
        let mut command = self.script(SET);
        for (key, value) in &pairs {
            command.arg(key).arg(written(value)).arg(sorted(key));
        }
        Ok(self.redis.query(&command).await?)
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let mut command = self.script(DELETE);
        for key in &keys {
            command.arg(key).arg(sorted(key));
        }
        Ok(self.redis.query(&command).await?)
    }
}
