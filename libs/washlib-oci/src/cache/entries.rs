//! What is in the cache, and making room in it.
//!
//! A blob that another process is reading keeps its content until that has ended: removing it takes only its name.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::ingest::{self, remove_leftover};
use super::{Cache, CacheError, NEW};
use crate::digest::Digest;

/// An unfinished download that nobody continued for this long is given up, and so is a file that was not moved to its
/// place.
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

/// Downloads that have not come to their end: under way, or interrupted and left to be continued.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unfinished {
    /// How many.
    pub downloads: u64,
    /// How many bytes have come.
    pub bytes: u64,
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
    /// How many unfinished downloads.
    pub unfinished: u64,
    /// How many bytes, of both.
    pub bytes: u64,
}

/// What takes up room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Blob,
    /// A blob on its way.
    Download,
    /// A file that is about to be moved to its place.
    New,
}

pub(super) struct File {
    pub(super) path: PathBuf,
    size: u64,
    last_used: SystemTime,
}

impl File {
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.last_used).unwrap_or_default()
    }
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

    /// The downloads that have not come to their end. Those of which nothing has come do not count.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read.
    pub fn unfinished(&self) -> Result<Unfinished, CacheError> {
        let mut unfinished = Unfinished::default();
        for (_, file) in self.files()?.iter().filter(|(part, file)| *part == Part::Download && file.size > 0) {
            unfinished.downloads += 1;
            unfinished.bytes += file.size;
        }
        Ok(unfinished)
    }

    /// Removes what `which` says, what interrupted downloads have left and nobody continued for a day, and notes about
    /// what is not there. A download that is under way stays.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read, or something in it cannot be removed.
    pub fn prune(&self, which: Prune) -> Result<Removed, CacheError> {
        let now = SystemTime::now();
        let mut files = self.files()?;
        // What cannot be removed is no reason to remove blobs in its place.
        files.retain(|(part, file)| *part != Part::Download || !ingest::is_under_way(&file.path));
        files.sort_by_key(|(_, file)| file.last_used);
        let mut total: u64 = files.iter().map(|(_, file)| file.size).sum();
        let mut removed = Removed::default();
        for (part, file) in files {
            let unused_for = match part {
                Part::Blob => which.unused_for,
                Part::Download => Some(which.unused_for.unwrap_or(UNFINISHED_FOR).min(UNFINISHED_FOR)),
                Part::New => Some(UNFINISHED_FOR),
            };
            let is_old = unused_for.is_some_and(|limit| file.age(now) > limit);
            let is_too_much = part != Part::New && which.max_bytes.is_some_and(|limit| total > limit);
            if (is_old || is_too_much) && removed.take(part, &file)? {
                total -= file.size;
            }
        }
        self.forget(now, which.unused_for)?;
        Ok(removed)
    }

    /// Removes everything but what is being written.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn clean(&self) -> Result<Removed, CacheError> {
        let now = SystemTime::now();
        let mut removed = Removed::default();
        for (part, file) in self.files()? {
            // Another process is about to move it to its place.
            let is_being_written = part == Part::New && file.age(now) < UNFINISHED_FOR;
            if !is_being_written {
                removed.take(part, &file)?;
            }
        }
        for file in files_in(&self.folder.join("tags"))? {
            super::remove(&file.path)?;
        }
        Ok(removed)
    }

    /// Makes room after something was added.
    pub(super) fn keep_within_limit(&self) -> Result<(), CacheError> {
        let total: u64 = self.files()?.iter().map(|(_, file)| file.size).sum();
        if total > self.max_bytes {
            // A little more than needed, so that not every addition makes room.
            self.prune(Prune { unused_for: None, max_bytes: Some(self.max_bytes - self.max_bytes / 10) })?;
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<(Part, File)>, CacheError> {
        let part = |file: &File| {
            let name = file.path.file_name().unwrap_or_default();
            if name.as_encoded_bytes().starts_with(NEW.as_bytes()) { Part::New } else { Part::Download }
        };
        let blobs = self.blob_files()?.into_iter().map(|file| (Part::Blob, file));
        let others = files_in(&self.folder.join("ingest"))?.into_iter().map(|file| (part(&file), file));
        Ok(blobs.chain(others).collect())
    }

    fn blob_files(&self) -> Result<Vec<File>, CacheError> {
        let blobs = self.folder.join("blobs");
        let mut files = files_in(&blobs.join("sha256"))?;
        files.extend(files_in(&blobs.join("sha512"))?);
        files.retain(|file| digest_of(&file.path).is_some());
        Ok(files)
    }
}

impl Removed {
    /// Removes a file, unless it is a download that is under way, and counts it. Tells whether it did.
    fn take(&mut self, part: Part, file: &File) -> Result<bool, CacheError> {
        match part {
            Part::Download if !remove_leftover(&file.path)? => return Ok(false),
            // One of which nothing has come counts as none.
            Part::Download => self.unfinished += u64::from(file.size > 0),
            Part::Blob => {
                super::remove(&file.path)?;
                self.blobs += 1;
            }
            Part::New => super::remove(&file.path)?,
        }
        self.bytes += file.size;
        Ok(true)
    }
}

fn digest_of(path: &Path) -> Option<Digest> {
    let algorithm = path.parent()?.file_name()?.to_str()?;
    format!("{algorithm}:{}", path.file_name()?.to_str()?).parse().ok()
}

/// The regular files in a folder; none where it is not there.
pub(super) fn files_in(folder: &Path) -> Result<Vec<File>, CacheError> {
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
    use crate::cache::{Begun, Ingest};

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
        assert_eq!(removed, Removed { blobs: 1, unfinished: 0, bytes: 6 });
        assert_eq!(left(&cache), ["newest", "middle"]);
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

    /// What a download leaves that is interrupted after some bytes.
    async fn interrupted(cache: &Cache, content: &[u8], hours: u64) -> Box<Ingest> {
        let Begun::Ours(mut ingest) = cache.begin(&Digest::of(content)).await.unwrap() else { panic!("ours") };
        ingest.write(&content[..4]).unwrap();
        let file = std::fs::File::open(cache.ingest_path(&Digest::of(content))).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        ingest
    }

    #[tokio::test]
    async fn what_interrupted_downloads_left_is_pruned_like_blobs_and_after_a_day_at_the_latest() {
        let cache = Cache::temporary().unwrap();
        for (hours, unused_for, is_removed) in
            [(2, None, false), (2, Some(3), false), (2, Some(1), true), (25, None, true), (25, Some(720), true)]
        {
            drop(interrupted(&cache, b"hello world", hours).await);
            assert_eq!(cache.unfinished().unwrap(), Unfinished { downloads: 1, bytes: 4 });
            let unused_for = unused_for.map(|hours| Duration::from_secs(hours * 3600));
            let removed = cache.prune(Prune { unused_for, max_bytes: None }).unwrap();
            let expected = if is_removed { Removed { blobs: 0, unfinished: 1, bytes: 4 } } else { Removed::default() };
            assert_eq!(removed, expected, "{hours} {unused_for:?}");
            cache.clean().unwrap();
            assert_eq!(cache.unfinished().unwrap(), Unfinished::default());
        }
    }

    #[tokio::test]
    async fn what_takes_up_room_is_removed_by_age_whether_it_is_finished_or_not() {
        let (cache, _) = filled();
        let limit = |max_bytes| cache.prune(Prune { unused_for: None, max_bytes: Some(max_bytes) }).unwrap();
        drop(interrupted(&cache, b"hello world", 1).await);
        // It counts, so that two blobs have to go where one would do without it.
        assert_eq!(limit(12), Removed { blobs: 2, unfinished: 0, bytes: 12 });
        assert_eq!((left(&cache), cache.unfinished().unwrap().bytes), (vec!["newest".to_owned()], 4));
        cache.blob(&Digest::of(b"newest")).unwrap().unwrap();
        assert_eq!(limit(6), Removed { blobs: 0, unfinished: 1, bytes: 4 });
        assert_eq!(left(&cache), ["newest"]);
    }

    #[tokio::test]
    async fn a_download_that_is_under_way_stays() {
        let cache = Cache::temporary().unwrap();
        let ingest = interrupted(&cache, b"hello world", 48).await;
        let everything = Prune { unused_for: Some(Duration::ZERO), max_bytes: Some(0) };
        assert_eq!(cache.prune(everything).unwrap(), Removed::default());
        assert_eq!(cache.clean().unwrap(), Removed::default());
        drop(ingest);
        assert_eq!(cache.prune(everything).unwrap(), Removed { blobs: 0, unfinished: 1, bytes: 4 });
    }

    #[test]
    fn reading_makes_a_blob_young() {
        let (cache, digests) = filled();
        cache.blob(&digests[0]).unwrap().unwrap();
        assert_eq!(left(&cache)[0], "oldest");
    }
}
