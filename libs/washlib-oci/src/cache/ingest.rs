//! A blob on its way into the cache: one writer at a time, continued where another one stopped.
//!
//! Fetches nothing itself.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::{Cache, CacheError, CachedBlob, feed};
use crate::digest::{Digest, Hasher};

/// How often a lock that another process holds is tried again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The right to write a blob, and how far it has come.
pub(crate) struct Ingest {
    cache: Cache,
    digest: Digest,
    path: PathBuf,
    /// Holds the lock.
    file: File,
    hasher: Hasher,
    written: u64,
}

/// What a wish to write a blob leads to.
pub(crate) enum Begun {
    /// It is ours to write.
    Ours(Box<Ingest>),
    /// Somebody else has just written it.
    There(CachedBlob),
}

impl Cache {
    /// Waits until nobody else writes the blob. Can be dropped at any time.
    pub(crate) async fn begin(&self, digest: &Digest) -> Result<Begun, CacheError> {
        let path = self.ingest_path(digest);
        self.make_folder(path.parent().unwrap_or(self.folder()))?;
        loop {
            let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            let file = file.into_parts().0;
            while !lock(&file, &path)? {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            // Whoever held the lock before us may have made the very file that we opened a blob.
            if let Some(blob) = self.blob(digest)? {
                // Only a leftover of ours: a blob has left its place here.
                if is_at(&file, &path) {
                    super::remove(&path)?;
                }
                return Ok(Begun::There(blob));
            }
            if is_at(&file, &path) {
                let hasher = Hasher::new(digest.algorithm());
                let (cache, digest) = (self.clone(), digest.clone());
                let mut ingest = Ingest { cache, digest, path, file, hasher, written: 0 };
                ingest.written = feed(&ingest.file, &ingest.path, &mut ingest.hasher)?;
                return Ok(Begun::Ours(Box::new(ingest)));
            }
        }
    }
}

impl Ingest {
    /// How many bytes are there.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        self.file.write_all(bytes).map_err(|err| self.named(err))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Begins again.
    pub(crate) fn restart(&mut self) -> Result<(), CacheError> {
        self.file.set_len(0).map_err(|err| self.named(err))?;
        self.file.seek(SeekFrom::Start(0)).map_err(|err| self.named(err))?;
        self.hasher = Hasher::new(self.digest.algorithm());
        self.written = 0;
        Ok(())
    }

    /// Makes it a blob, if it is the one that was meant; otherwise begins again, and returns the digest it had.
    pub(crate) fn finish(mut self: Box<Self>) -> Result<Result<CachedBlob, (Box<Self>, Digest)>, CacheError> {
        let found = std::mem::replace(&mut self.hasher, Hasher::new(self.digest.algorithm())).finish();
        if found != self.digest {
            self.restart()?;
            return Ok(Err((self, found)));
        }
        let target = self.cache.blob_path(&self.digest);
        self.cache.make_folder(target.parent().unwrap_or(self.cache.folder()))?;
        fs::rename(&self.path, &target)?;
        let Self { cache, file, written, .. } = *self;
        // The blob is there, whatever becomes of the others.
        if let Err(err) = cache.keep_within_limit() {
            tracing::warn!("the cache is not kept within its limit: {err}");
        }
        file.unlock()?;
        Ok(Ok(CachedBlob { file, path: target, size: written, _temporary: cache.temporary }))
    }

    /// Leaves nothing behind: what came cannot be continued.
    pub(crate) fn abandon(self: Box<Self>) -> Result<(), CacheError> {
        super::remove(&self.path)
    }

    fn named(&self, err: io::Error) -> io::Error {
        io::Error::new(err.kind(), format!("{}: {err}", self.path.display()))
    }
}

/// Whether somebody downloads to a file at this moment.
pub(super) fn is_under_way(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Removes what a download has left, unless somebody goes on with it at this moment. Tells whether it did.
pub(super) fn remove_leftover(path: &Path) -> Result<bool, CacheError> {
    // A lock needs no right to write, and neither does the removal: somebody else's leftover has to go too.
    let file = match fs::File::open(path) {
        Ok(file) => file.into_parts().0,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(err) => return Err(err.into()),
    };
    // Who waits for the lock finds the name gone, and begins anew.
    let is_left = lock(&file, path)? && is_at(&file, path);
    if is_left {
        super::remove(path)?;
    }
    Ok(is_left)
}

fn lock(file: &File, path: &Path) -> Result<bool, CacheError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(err)) => {
            Err(io::Error::new(err.kind(), format!("{}: cannot be locked: {err}", path.display())).into())
        }
    }
}

/// Whether an open file is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_writers_take_turns_and_the_second_finds_the_blob() {
        let cache = Cache::temporary().unwrap();
        let digest = Digest::of(b"hello world");
        let Begun::Ours(mut first) = cache.begin(&digest).await.unwrap() else { panic!("ours") };
        let second = tokio::spawn({
            let (cache, digest) = (cache.clone(), digest.clone());
            async move { matches!(cache.begin(&digest).await.unwrap(), Begun::There(blob) if blob.size() == 11) }
        });
        first.write(b"hello ").unwrap();
        tokio::task::yield_now().await;
        first.write(b"world").unwrap();
        let blob = first.finish().unwrap().ok().unwrap();
        assert_eq!(blob.read().unwrap(), b"hello world");
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn what_one_left_unfinished_the_next_one_continues() {
        let cache = Cache::temporary().unwrap();
        let digest = Digest::of(b"hello world");
        let Begun::Ours(mut first) = cache.begin(&digest).await.unwrap() else { panic!("ours") };
        first.write(b"hello ").unwrap();
        drop(first);
        let Begun::Ours(mut next) = cache.begin(&digest).await.unwrap() else { panic!("ours") };
        assert_eq!(next.written(), 6);
        next.write(b"wurld").unwrap();
        let Ok(Err((mut again, found))) = next.finish() else { panic!("another digest") };
        assert_ne!(found, digest);
        assert_eq!(again.written(), 0);
        again.write(b"hello world").unwrap();
        assert!(again.finish().unwrap().is_ok());
        assert!(cache.blob(&digest).unwrap().is_some());
    }
}
