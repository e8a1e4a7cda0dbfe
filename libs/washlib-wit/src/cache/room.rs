//! Keeps the cache within bounds, and empties it.
//!
//! What was used longest ago goes first. Another process that is reading a file keeps its content until that has ended,
//! and whoever misses one fetches or makes it again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Cache;

/// How much is kept, in bytes: some thousands of packages with what they look like as text.
const MAX_BYTES: u64 = 256 << 20;

/// How often the whole cache is looked at when something is added.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a file takes at least, empty ones too.
const BLOCK: u64 = 4096;

/// The folders of files that are made or fetched again when they are missed. Releases are not among them: they are a line
/// each, and without their content they count for nothing.
const FOLDERS: [&str; 3] = ["content", "renderings", "valid"];

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
    /// How many files.
    pub entries: u64,
    /// How many bytes were in them.
    pub bytes: u64,
}

struct File {
    path: PathBuf,
    length: u64,
    last_used: SystemTime,
}

impl Cache {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Removes what `which` says.
    ///
    /// # Errors
    ///
    /// When the cache cannot be read, or something in it cannot be removed.
    pub fn prune(&self, which: Prune) -> io::Result<Removed> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for folder in FOLDERS {
            collect(&self.root.join(folder), &mut files)?;
        }
        files.sort_by_key(|file| file.last_used);
        let mut total: u64 = files.iter().map(File::room).sum();
        let mut removed = Removed::default();
        for file in files {
            let age = now.duration_since(file.last_used).unwrap_or_default();
            let is_old = which.unused_for.is_some_and(|limit| age > limit);
            if is_old || which.max_bytes.is_some_and(|limit| total > limit) {
                total -= file.room();
                removed.add(&file)?;
            }
        }
        Ok(removed)
    }

    /// Removes everything.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn clean(&self) -> io::Result<Removed> {
        let mut files = Vec::new();
        for folder in FOLDERS.iter().chain(&["releases"]) {
            collect(&self.root.join(folder), &mut files)?;
        }
        let mut removed = Removed::default();
        for file in files {
            removed.add(&file)?;
        }
        Ok(removed)
    }

    /// Makes room once a day, when something is added.
    pub(super) fn keep_within_bounds(&self) {
        let stamp = self.root.join("looked-at");
        let looked = std::fs::metadata(&stamp).and_then(|metadata| metadata.modified());
        let age = looked.ok().map(|looked| SystemTime::now().duration_since(looked).unwrap_or_default());
        if age.is_some_and(|age| age < LOOK_EVERY) {
            return;
        }
        // First the stamp, so that of several processes one looks. A cache that cannot be written to does not grow.
        if std::fs::write(&stamp, b"").is_ok() && age.is_some() {
            let _ = self.prune(Prune { unused_for: None, max_bytes: Some(MAX_BYTES) });
        }
    }
}

impl File {
    /// What it takes of the disk.
    fn room(&self) -> u64 {
        self.length.max(BLOCK)
    }
}

impl Removed {
    fn add(&mut self, file: &File) -> io::Result<()> {
        match fs_err::remove_file(&file.path) {
            // Another process was here before.
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        self.entries += 1;
        self.bytes += file.length;
        Ok(())
    }
}

/// The files below a folder, which need not exist.
fn collect(folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    let entries = match fs_err::read_dir(folder) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if let Ok(metadata) = entry.metadata() {
            let last_used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(File { path, length: metadata.len(), last_used });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Content;
    use crate::{Digest, PackageName};

    fn filled() -> (tempfile::TempDir, Cache, Vec<Digest>) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let mut digests = Vec::new();
        for (days, text) in [(30, "oldest"), (20, "middle"), (10, "newest")] {
            let digest = cache.put_content(&Content::Binary(text.as_bytes().to_vec()));
            set_age(&cache, &digest, days);
            digests.push(digest);
        }
        (folder, cache, digests)
    }

    fn set_age(cache: &Cache, digest: &Digest, days: u64) {
        let file = std::fs::File::open(cache.content_path(digest)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    }

    fn left(cache: &Cache, digests: &[Digest]) -> Vec<bool> {
        digests.iter().map(|digest| cache.content_path(digest).exists()).collect()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (_folder, cache, digests) = filled();
        // Reading counts as using.
        assert!(cache.content(&digests[0]).is_some());
        let removed = cache.prune(Prune { unused_for: None, max_bytes: Some(2 * BLOCK) }).unwrap();
        assert_eq!((removed, left(&cache, &digests)), (Removed { entries: 1, bytes: 6 }, vec![true, false, true]));
        cache.prune(Prune { unused_for: Some(Duration::from_secs(86_400)), max_bytes: None }).unwrap();
        assert_eq!(left(&cache, &digests), [true, false, false]);
    }

    #[test]
    fn cleaning_leaves_nothing_and_needs_nothing() {
        let (_folder, cache, digests) = filled();
        let package: PackageName = "a:b".parse().unwrap();
        cache.put_release("r.example", &package, &semver::Version::new(1, 0, 0), &digests[0]);
        assert_eq!(cache.clean().unwrap().entries, 4);
        assert!(cache.versions("r.example", &package).is_empty());
        assert_eq!(cache.clean().unwrap(), Removed::default());
    }

    #[test]
    fn a_cache_that_has_grown_is_cut_once_a_day() {
        let (_folder, cache, digests) = filled();
        let large = std::fs::File::options().write(true).open(cache.content_path(&digests[0])).unwrap();
        large.set_len(MAX_BYTES).unwrap();
        set_age(&cache, &digests[0], 30);
        cache.put_content(&Content::Binary(b"more".to_vec()));
        assert_eq!(left(&cache, &digests), [true; 3]);
        let stamp = std::fs::File::open(cache.root.join("looked-at")).unwrap();
        stamp.set_modified(SystemTime::now() - LOOK_EVERY).unwrap();
        cache.put_content(&Content::Binary(b"even more".to_vec()));
        assert_eq!(left(&cache, &digests), [false, true, true]);
    }
}
