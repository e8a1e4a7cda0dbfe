//! Buckets in a directory: a directory for each namespace and bucket, a file for each key.
//!
//! A file holds the version of the write, the value, and the trailer of its [name](names). Several processes may use one
//! directory. What is kept has no limit of its own, but leaves a part of the disk free.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::backend::{Backend, Bucket, BucketError, Page, PageBuilder, Swapped, Value, Version, sum};
use crate::plugin::storage::files::{self, Base, Sharing, Unfinished};
use crate::plugin::storage::names::{self, Decoded, FileName};

/// The length of a version, in bytes.
const VERSION_LEN: usize = 16;

/// Buckets in a directory.
#[derive(Debug)]
pub(crate) struct FilesystemBackend {
    base: Arc<Base>,
}

#[derive(Clone, Debug)]
struct FilesystemBucket {
    base: Arc<Base>,
    dir: Arc<Path>,
}

impl FilesystemBackend {
    /// Opens or creates the directory. It blocks.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        Ok(Self { base: Arc::new(Base::open(dir)?) })
    }
}

#[async_trait]
impl Backend for FilesystemBackend {
    fn bucket(&self, namespace: &str, name: &str) -> Result<Arc<dyn Bucket>, BucketError> {
        let dir = self.base.dir().join(FileName::of(namespace).as_str()).join(FileName::of(name).as_str());
        Ok(Arc::new(FilesystemBucket { base: self.base.clone(), dir: dir.into() }))
    }

    fn forget(&self, _: &str) {}
}

impl FilesystemBucket {
    fn path_of(&self, key: &str) -> PathBuf {
        self.dir.join(FileName::of(key).as_str())
    }

    /// What the locks of a key are told apart by.
    fn lock_hash(&self, key: &str) -> u64 {
        names::position(&self.dir.to_string_lossy()) ^ names::position(key)
    }

    fn lock(&self, key: &str) -> io::Result<files::Held> {
        self.base.lock([self.lock_hash(key)], Sharing::Exclusive)
    }

    fn read(&self, key: &str) -> io::Result<Option<Value>> {
        let Some(file) = files::open_to_read(&self.path_of(key))? else { return Ok(None) };
        read_value(file, FileName::of(key).trailer_len(key)).map(Some)
    }

    /// Writes a value that is not in its place yet. The key is locked.
    fn stage(&self, key: &str, value: &[u8]) -> io::Result<Unfinished> {
        let mut file = self.base.temporary()?;
        file.write(&files::unique().to_le_bytes())?;
        file.write(value)?;
        file.write(&FileName::of(key).trailer(key))?;
        file.sync()?;
        Ok(file)
    }

    /// Writes a value. The key is locked.
    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let file = self.stage(key, value)?;
        files::create_dirs(&self.dir)?;
        file.persist(&self.path_of(key))?;
        files::sync_dir(&self.dir)
    }

    fn set_all(&self, pairs: &[(String, Bytes)]) -> io::Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let _held = self.base.lock(pairs.iter().map(|(key, _)| self.lock_hash(key)), Sharing::Exclusive)?;
        files::create_dirs(&self.dir)?;
        for (key, value) in pairs {
            self.stage(key, value)?.persist(&self.path_of(key))?;
        }
        files::sync_dir(&self.dir)
    }

    fn delete_all(&self, keys: &[String]) -> io::Result<()> {
        let _held = self.base.lock(keys.iter().map(|key| self.lock_hash(key)), Sharing::Exclusive)?;
        let mut removed = false;
        for key in keys {
            removed |= files::remove(&self.path_of(key))?;
        }
        if removed { files::sync_dir(&self.dir) } else { Ok(()) }
    }

    fn list(&self, cursor: Option<u64>) -> io::Result<Page> {
        let mut found = Vec::new();
        let entries = match fs_err::read_dir(&*self.dir) {
            Err(err) if files::is_absence(&err) => return Ok(Page::default()),
            entries => entries?,
        };
        for entry in entries {
            let file_name = entry?.file_name();
            let Some(position) = names::position_of_file(&file_name) else { continue };
            if cursor.is_none_or(|cursor| position > cursor) {
                found.push((position, file_name));
            }
        }
        found.sort_unstable();
        let mut page = PageBuilder::default();
        for (position, file_name) in found {
            if page.ends_before(position) {
                break;
            }
            let key = match names::decode(&file_name) {
                Some(Decoded::Name(key)) => Some(key),
                Some(Decoded::InTrailer) => match files::open_to_read(&self.dir.join(&file_name))? {
                    Some(mut file) => Some(names::read_trailer(&mut file)?),
                    // It was deleted meanwhile.
                    None => None,
                },
                None => None,
            };
            if let Some(key) = key {
                page.push(position, key);
            }
        }
        Ok(page.finish())
    }
}

fn read_value(mut file: File, trailer_len: u64) -> io::Result<Value> {
    let damaged = || io::Error::new(ErrorKind::InvalidData, "the file of a value is too short");
    let content = file.metadata()?.len().checked_sub(trailer_len).ok_or_else(damaged)?;
    let length = content.checked_sub(VERSION_LEN as u64).ok_or_else(damaged)?;
    let mut version = [0; VERSION_LEN];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut version)?;
    let mut value = Vec::new();
    file.take(length).read_to_end(&mut value)?;
    Ok(Value { bytes: value.into(), version: Version(u128::from_le_bytes(version)) })
}

#[async_trait]
impl Bucket for FilesystemBucket {
    async fn get(&self, key: &str) -> Result<Option<Value>, BucketError> {
        let (bucket, key) = (self.clone(), key.to_string());
        files::blocking(move || Ok(bucket.read(&key)?)).await
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        self.set_many(vec![(key.to_string(), value)]).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.delete_many(vec![key.to_string()]).await
    }

    async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        let path = self.path_of(key);
        files::blocking(move || Ok(files::open_to_read(&path)?.is_some())).await
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        let bucket = self.clone();
        files::blocking(move || Ok(bucket.list(cursor)?)).await
    }

    async fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128, BucketError> {
        let (bucket, key) = (self.clone(), key.to_string());
        files::blocking(move || {
            let _held = bucket.lock(&key)?;
            let current = bucket.read(&key)?.map(|value| value.bytes);
            let (sum, value) = sum(current.as_deref(), delta, &range)?;
            bucket.write(&key, &value)?;
            Ok(sum)
        })
        .await
    }

    async fn swap(&self, key: &str, expected: Option<Version>, value: Bytes) -> Result<Swapped, BucketError> {
        let (bucket, key) = (self.clone(), key.to_string());
        files::blocking(move || {
            let _held = bucket.lock(&key)?;
            let current = bucket.read(&key)?;
            if current.as_ref().map(|current| current.version) != expected {
                return Ok(Swapped::Changed(current));
            }
            bucket.write(&key, &value)?;
            Ok(Swapped::Done)
        })
        .await
    }

    async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), BucketError> {
        let bucket = self.clone();
        files::blocking(move || Ok(bucket.set_all(&pairs)?)).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let bucket = self.clone();
        files::blocking(move || Ok(bucket.delete_all(&keys)?)).await
    }
}
