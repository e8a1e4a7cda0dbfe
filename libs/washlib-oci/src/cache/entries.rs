//! What is in the cache, and making room in it.
//!
//! A blob that another process is reading keeps its content until that has ended: removing it takes only its name.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::{Cache, CacheError, NEW, Note};
use crate::digest::Digest;

/// An unfinished download that nobody continued for this long is given up.
const UNFINISHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A blob in the cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheEntry {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last read or written.
    pub last_used: SystemTime,
    /// The references that meant it when they were last asked for.
    pub references: Vec<String>,
}

/// What to remove from the cache.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prune {
    /// What was not used for longer than this.
    pub unused_for: Option<Duration>,
    /// What was used longest ago, until this many bytes are left.
    pub max_bytes: Option<u64>,
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Removed {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
}

struct File {
    path: PathBuf,
    size: u64,
    last_used: SystemTime,
}

impl Cache {
    /// All blobs, the last used one first.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub fn entries(&self) -> Result<Vec<CacheEntry>, CacheError> {
        let references = self.references();
        let mut files = self.blob_files()?;
        files.sort_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.path.cmp(&b.path)));
        let entry = |file: File| {
            let digest = digest_of(&file.path)?;
            let references = references.get(&digest).cloned().unwrap_or_default();
            Some(CacheEntry { digest, size: file.size, last_used: file.last_used, references })
        };
        Ok(files.into_iter().filter_map(entry).collect())
    }

    /// Removes what `which` says, unfinished downloads that nobody continues, and notes about what is not there.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read, or something in it cannot be removed.
    pub fn prune(&self, which: Prune) -> Result<Removed, CacheError> {
        let now = SystemTime::now();
        let age = |file: &File| now.duration_since(file.last_used).unwrap_or_default();
        let mut files = self.blob_files()?;
        files.sort_by_key(|file| file.last_used);
        let mut total: u64 = files.iter().map(|file| file.size).sum();
        let mut removed = Removed::default();
        for file in files {
            let is_old = which.unused_for.is_some_and(|limit| age(&file) > limit);
            if is_old || which.max_bytes.is_some_and(|limit| total > limit) {
                super::remove(&file.path)?;
                total -= file.size;
                removed.blobs += 1;
                removed.bytes += file.size;
            }
        }
        for file in files_in(&self.folder.join("ingest"))? {
            if age(&file) > UNFINISHED_FOR {
                super::remove(&file.path)?;
                removed.bytes += file.size;
            }
        }
        self.forget_absent()?;
        Ok(removed)
    }

    /// Removes everything.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn clean(&self) -> Result<Removed, CacheError> {
        let mut removed = Removed::default();
        for file in self.blob_files()? {
            super::remove(&file.path)?;
            removed.blobs += 1;
            removed.bytes += file.size;
        }
        let now = SystemTime::now();
        for folder in ["ingest", "tags"] {
            for file in files_in(&self.folder.join(folder))? {
                // Another process is about to move it to its place.
                let is_new =
                    file.path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(NEW.as_bytes()));
                if is_new && now.duration_since(file.last_used).unwrap_or_default() < UNFINISHED_FOR {
                    continue;
                }
                super::remove(&file.path)?;
                removed.bytes += if folder == "ingest" { file.size } else { 0 };
            }
        }
        Ok(removed)
    }

    /// Makes room after something was added.
    pub(super) fn keep_within_limit(&self) -> Result<(), CacheError> {
        let total: u64 = self.blob_files()?.iter().map(|file| file.size).sum();
        if total > self.max_bytes {
            // A little more than needed, so that not every addition makes room.
            self.prune(Prune { unused_for: None, max_bytes: Some(self.max_bytes - self.max_bytes / 10) })?;
        }
        Ok(())
    }

    fn blob_files(&self) -> Result<Vec<File>, CacheError> {
        let blobs = self.folder.join("blobs");
        let mut files = files_in(&blobs.join("sha256"))?;
        files.extend(files_in(&blobs.join("sha512"))?);
        files.retain(|file| digest_of(&file.path).is_some());
        Ok(files)
    }

    /// The references that notes speak of, by what they mean.
    fn references(&self) -> BTreeMap<Digest, Vec<String>> {
        let mut references: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for (_, note) in self.notes() {
            references.entry(note.value.digest).or_default().insert(note.key);
        }
        references.into_iter().map(|(digest, keys)| (digest, keys.into_iter().collect())).collect()
    }

    fn notes(&self) -> Vec<(PathBuf, Note<Pointer>)> {
        let files = files_in(&self.folder.join("tags")).unwrap_or_default();
        let note = |file: File| {
            let bytes = std::fs::read(&file.path).ok()?;
            Some((file.path, serde_json::from_slice(&bytes).ok()?))
        };
        files.into_iter().filter_map(note).collect()
    }

    fn forget_absent(&self) -> Result<(), CacheError> {
        for (path, note) in self.notes() {
            if !self.blob_path(&note.value.digest).exists() {
                super::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// The part of a note that names a blob.
#[derive(serde::Deserialize)]
struct Pointer {
    digest: Digest,
}

fn digest_of(path: &Path) -> Option<Digest> {
    let algorithm = path.parent()?.file_name()?.to_str()?;
    format!("{algorithm}:{}", path.file_name()?.to_str()?).parse().ok()
}

/// The regular files in a folder; none where it is not there.
fn files_in(folder: &Path) -> Result<Vec<File>, CacheError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(err.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        // It may have been removed since.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let last_used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(File { path: entry.path(), size: metadata.len(), last_used });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (Cache, Vec<Digest>) {
        let cache = Cache::temporary().unwrap();
        let now = SystemTime::now();
        let mut digests = Vec::new();
        for (age, content) in [(30, "oldest"), (20, "middle"), (10, "newest")] {
            let digest = Digest::of(content.as_bytes());
            cache.put(&digest, content.as_bytes()).unwrap();
            let file = std::fs::File::open(cache.blob_path(&digest)).unwrap();
            file.set_modified(now - Duration::from_secs(age * 86_400)).unwrap();
            cache.remember(content, &serde_json::json!({ "digest": digest })).unwrap();
            digests.push(digest);
        }
        (cache, digests)
    }

    fn left(cache: &Cache) -> Vec<String> {
        cache.entries().unwrap().into_iter().flat_map(|entry| entry.references).collect()
    }

    #[test]
    fn the_oldest_goes_first() {
        let (cache, _) = filled();
        assert_eq!(left(&cache), ["newest", "middle", "oldest"]);
        let removed = cache.prune(Prune { unused_for: None, max_bytes: Some(12) }).unwrap();
        assert_eq!((removed, left(&cache)), (Removed { blobs: 1, bytes: 6 }, vec!["newest".into(), "middle".into()]));
        cache.prune(Prune { unused_for: Some(Duration::from_secs(15 * 86_400)), max_bytes: None }).unwrap();
        assert_eq!(left(&cache), ["newest"]);
        assert_eq!(cache.clean().unwrap().blobs, 1);
        assert!(left(&cache).is_empty());
    }

    #[test]
    fn what_killed_processes_left_goes_after_a_day() {
        let (cache, _) = filled();
        let leave = |name: &str, hours: u64| {
            let path = cache.folder.join("ingest").join(name);
            let file = std::fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
            path
        };
        let (old, other, young) = (leave(".new-1", 25), leave(".new-2", 25), leave(".new-3", 1));
        cache.prune(Prune::default()).unwrap();
        assert!(!old.exists() && !other.exists() && young.exists());
        let old = leave(".new-1", 25);
        cache.clean().unwrap();
        assert!(!old.exists() && young.exists());
    }

    #[test]
    fn reading_makes_a_blob_young() {
        let (cache, digests) = filled();
        cache.blob(&digests[0]).unwrap().unwrap();
        assert_eq!(left(&cache)[0], "oldest");
    }
}
