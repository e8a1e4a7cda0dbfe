//! The cache that all tools and processes of a user share: blobs by their digest, and what tags last meant.
//!
//! ```text
//! blobs/<algorithm>/<hex>   a blob or manifest, whole
//! tags/<hash>.json          what a tag, or the signatures of an artifact, last were; where a registry has a blob
//! ingest/<algorithm>-<hex>  a blob on its way; locked by whoever writes it, continued by whoever comes next
//! ingest/.new-<random>      a file that is written in one go
//! ```
//!
//! A blob is verified whenever it is read: a damaged one is removed and counts as absent. That is why nothing is synced:
//! what a power failure leaves is found out. Asks no registry.

mod entries;
mod ingest;
mod notes;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fs_err as fs;
use tempfile::TempDir;
use thiserror::Error;

use crate::digest::{Digest, Hasher};
use crate::settings::CacheSettings;

pub use entries::{CacheEntry, Prune, Removed, Unfinished};

pub(crate) use ingest::{Begun, Ingest};

/// Bytes that are hashed or copied at a time.
pub(crate) const CHUNK: usize = 256 << 10;

/// Why the cache could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file or folder of it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was written is not what its name says.
    #[error("a blob of the cache has the digest {found} instead of {expected}")]
    Digest {
        /// The name.
        expected: Digest,
        /// The content.
        found: Digest,
    },
}

/// Blobs on disk. Clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    max_bytes: u64,
    /// A cache that nobody else uses, removed with its last user.
    temporary: Option<Arc<TempDir>>,
}

/// How the names of files begin that are about to be moved to their place.
const NEW: &str = ".new-";

/// A blob of the cache whose content has been verified.
#[derive(Debug)]
pub struct CachedBlob {
    file: File,
    path: PathBuf,
    size: u64,
    /// Keeps a temporary cache alive.
    _temporary: Option<Arc<TempDir>>,
}

impl CachedBlob {
    /// Where it is. Another process may remove it there; this value keeps the content readable all the same.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Its content.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, 0).map_err(|err| self.named(&err))?;
        Ok(bytes)
    }

    fn named(&self, err: &io::Error) -> io::Error {
        io::Error::new(err.kind(), format!("{}: {err}", self.path.display()))
    }

    /// A reader from its beginning. Each has a position of its own.
    pub fn reader(&self) -> BlobReader<'_> {
        BlobReader { blob: self, position: 0 }
    }
}

/// Reads a blob from its beginning to its end.
#[derive(Debug)]
pub struct BlobReader<'a> {
    blob: &'a CachedBlob,
    position: u64,
}

impl io::Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.blob.file.read_at(buffer, self.position).map_err(|err| self.blob.named(&err))?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Cache {
    /// The cache in a folder, which is made when something is kept.
    pub fn open(settings: &CacheSettings) -> Self {
        Self { folder: settings.folder.clone(), max_bytes: settings.max_bytes, temporary: None }
    }

    /// A cache of its own, removed when the last user of it and of its blobs has gone.
    ///
    /// # Errors
    ///
    /// When the system's folder for temporary files cannot be written to.
    pub fn temporary() -> Result<Self, CacheError> {
        let folder = tempfile::Builder::new().prefix("wash-oci-").tempdir()?;
        Ok(Self { folder: folder.path().to_owned(), max_bytes: u64::MAX, temporary: Some(Arc::new(folder)) })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A blob, after its content was verified; none where there is none, or a damaged one.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub fn blob(&self, digest: &Digest) -> Result<Option<CachedBlob>, CacheError> {
        Ok(self.blob_with_copy(digest, None)?.map(|(blob, _)| blob))
    }

    /// A blob as [`Self::blob`] finds it, and its content in an empty file too, at once: verifying takes as long as
    /// writing. Whether the file has all of it is the second answer; one that could not be written is left empty,
    /// and one that cannot be emptied either is an error.
    pub(crate) fn blob_with_copy(
        &self,
        digest: &Digest,
        copy: Option<&File>,
    ) -> Result<Option<(CachedBlob, bool)>, CacheError> {
        let path = self.blob_path(digest);
        let Some(file) = open_existing(&path)? else { return Ok(None) };
        let mut hasher = Hasher::new(digest.algorithm());
        let (size, copied) = match copy {
            Some(copy) => feed_and_copy(&file, &path, &mut hasher, copy)?,
            None => (feed(&file, &path, &mut hasher)?, false),
        };
        let is_sound = hasher.finish() == *digest;
        if let Some(copy) = copy.filter(|_| !(is_sound && copied)) {
            copy.set_len(0)?;
        }
        if !is_sound {
            tracing::warn!("{} is damaged and is removed", path.display());
            remove(&path)?;
            return Ok(None);
        }
        // For the order in which blobs are removed. A cache that cannot be written to is still one that can be read.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some((CachedBlob { file, path, size, _temporary: self.temporary.clone() }, copied)))
    }

    /// Whether there is such a blob of this size, without a look at its content.
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        std::fs::metadata(self.blob_path(digest)).is_ok_and(|metadata| metadata.len() == size)
    }

    /// Keeps bytes in memory.
    ///
    /// # Errors
    ///
    /// When they do not have this digest, or cannot be written.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), CacheError> {
        if self.has(digest, bytes.len() as u64) {
            return Ok(());
        }
        let mut hasher = Hasher::new(digest.algorithm());
        hasher.update(bytes);
        let found = hasher.finish();
        if found != *digest {
            return Err(CacheError::Digest { expected: digest.clone(), found });
        }
        let path = self.blob_path(digest);
        self.write_atomically(&path, bytes)
    }

    fn write_atomically(&self, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        // Where what a killed process has left is found and removed.
        let unfinished = self.folder.join("ingest");
        for folder in [path.parent().unwrap_or(&self.folder), &unfinished] {
            self.make_folder(folder)?;
        }
        let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
        let mut temporary = tempfile::Builder::new().prefix(NEW).tempfile_in(&unfinished).map_err(named)?;
        io::Write::write_all(&mut temporary, bytes).map_err(named)?;
        temporary.persist(path).map_err(|err| named(err.error))?;
        Ok(())
    }

    /// Makes a folder of the cache, for its owner alone.
    fn make_folder(&self, folder: &Path) -> Result<(), CacheError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        Ok(made.map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", folder.display())))?)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().to_string()).join(digest.hex())
    }

    fn ingest_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("ingest").join(digest.as_tag())
    }
}

/// Hashes a whole file, copies it at the same time, and returns its length and whether the copy was made.
fn feed_and_copy(file: &File, path: &Path, hasher: &mut Hasher, copy: &File) -> Result<(u64, bool), CacheError> {
    std::thread::scope(|scope| {
        let copying = std::thread::Builder::new().spawn_scoped(scope, || duplicate(file, copy));
        let size = feed(file, path, hasher)?;
        // Why it failed is found out by whoever copies it again.
        let copied = copying.ok().and_then(|copying| copying.join().ok()?.ok());
        Ok((size, copied == Some(size)))
    })
}

/// Copies a whole file without moving anybody's position in it.
fn duplicate(file: &File, copy: &File) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut position = 0;
    loop {
        let read = file.read_at(&mut buffer, position)?;
        if read == 0 {
            return Ok(position);
        }
        copy.write_all_at(&buffer[..read], position)?;
        position += read as u64;
    }
}

/// Hashes a whole file and returns its length.
fn feed(mut file: &File, path: &Path, hasher: &mut Hasher) -> Result<u64, CacheError> {
    let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(named)?;
        if read == 0 {
            return Ok(size);
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

fn open_existing(path: &Path) -> Result<Option<File>, CacheError> {
    match fs::File::open(path) {
        Ok(file) => Ok(Some(file.into_parts().0)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Removes a file that somebody else may have removed.
fn remove(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> Cache {
        Cache::temporary().unwrap()
    }

    #[test]
    fn what_is_kept_is_found_by_its_digest() {
        let cache = cache();
        let digest = Digest::of(b"hello");
        assert!(cache.blob(&digest).unwrap().is_none());
        cache.put(&digest, b"hello").unwrap();
        assert_eq!(cache.blob(&digest).unwrap().unwrap().read().unwrap(), b"hello");
        assert!(matches!(cache.put(&digest, b"other"), Ok(()) | Err(CacheError::Digest { .. })));
        assert!(matches!(cache.put(&Digest::of(b"x"), b"y"), Err(CacheError::Digest { .. })));
    }

    #[test]
    fn a_damaged_blob_counts_as_absent_and_is_removed() {
        let cache = cache();
        let digest = Digest::of(b"hello");
        cache.put(&digest, b"hello").unwrap();
        let path = cache.blob_path(&digest);
        std::fs::write(&path, b"hellp").unwrap();
        assert!(cache.blob(&digest).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn a_copy_is_whole_or_empty() {
        let cache = cache();
        let content = vec![7; 3 * CHUNK + 1];
        let digest = Digest::of(&content);
        cache.put(&digest, &content).unwrap();
        let copy = tempfile::NamedTempFile::new().unwrap();
        let (blob, copied) = cache.blob_with_copy(&digest, Some(copy.as_file())).unwrap().unwrap();
        assert!(copied && std::fs::read(copy.path()).unwrap() == content && blob.read().unwrap() == content);
        // One that can neither be written to nor emptied.
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert!(cache.blob_with_copy(&digest, Some(&full)).is_err());
        // One of a damaged blob.
        std::fs::write(cache.blob_path(&digest), b"damaged").unwrap();
        let copy = tempfile::NamedTempFile::new().unwrap();
        assert!(cache.blob_with_copy(&digest, Some(copy.as_file())).unwrap().is_none());
        assert_eq!(copy.as_file().metadata().unwrap().len(), 0);
    }
}
