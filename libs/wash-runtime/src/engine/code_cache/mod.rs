//! Compiled components on disk, so that a host that starts again has its code at once.
//!
//! It compiles nothing and never fails a caller who wants code: what it does not have, or does not trust, is compiled.
//! Which directory to use is the embedder's to say.
//!
//! Machine code runs with the host's rights, so the directory has to be writable by its owner alone, and each entry
//! carries a checksum with a secret of that directory. It is checked before the code is mapped. Processes may share a
//! directory: entries appear and vanish as a whole, and one that is in use stays usable when it is removed.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use wasmtime::Engine;
use wasmtime::component::Component;

mod artifact;
mod directory;
mod error;
mod key;
mod trusted;

use artifact::{Description, Secret};
use directory::PrivateDirectory;
pub use error::CodeCacheError;
pub(super) use key::{EntryKey, compatibility};
pub(super) use trusted::TrustedCode;

use super::digest::ComponentDigest;

/// Bytes of all entries together, unless the embedder says otherwise.
const DEFAULT_SIZE_LIMIT: u64 = 2 << 30;

/// A directory of compiled components. Clones are cheap and are the same cache.
///
/// All methods read or write files: call them from a thread that may block.
#[derive(Clone)]
pub struct CodeCache {
    shared: Arc<Shared>,
    size_limit: u64,
}

struct Shared {
    directory: PrivateDirectory,
    secret: Secret,
    /// Whether it was said already that nothing can be stored.
    unwritable: AtomicBool,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
    evicted: AtomicU64,
}

/// One compiled component.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CodeCacheEntry {
    /// What the entry is found by: 64 hexadecimal digits that stand for the component and how it was compiled.
    pub key: String,
    /// The digest of the component, as the entry states it; `None` if its format is another.
    pub component: Option<ComponentDigest>,
    /// Bytes of the component, as the entry states it.
    pub component_size: Option<u64>,
    /// Bytes that the entry takes.
    pub size: u64,
    /// When the entry was last loaded or, if it never was, made.
    pub last_used: SystemTime,
}

/// What a cache holds and how it was used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CodeCacheStats {
    /// Entries in the directory.
    pub entries: u64,
    /// Bytes of all entries.
    pub bytes: u64,
    /// Bytes that all entries may take together.
    pub size_limit: u64,
    /// Components that this process found in the directory.
    pub hits: u64,
    /// Components that this process did not find.
    pub misses: u64,
    /// Entries that this process removed because they were damaged or not to be trusted.
    pub rejected: u64,
    /// Entries that this process removed to stay under the limit.
    pub evicted: u64,
}

/// Which entries to remove. What is not set removes none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prune {
    /// Remove the least recently used until the others take no more than these bytes.
    pub max_bytes: Option<u64>,
    /// Remove those that were not used for longer.
    pub max_age: Option<Duration>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Removed {
    /// Entries.
    pub entries: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What checking all entries found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Entries that are as they were written.
    pub intact: u64,
    /// Keys of those that were not, and are removed.
    pub removed: Vec<String>,
}

/// Why an entry is not used.
enum Rejection {
    Flaw(artifact::Flaw),
    Unreadable(io::Error),
    Unloadable(wasmtime::Error),
}

impl CodeCache {
    /// Opens a directory, creating it with mode 0700 if it does not exist.
    ///
    /// # Errors
    /// [`CodeCacheError`] where the directory, or what a symbolic link leads to, belongs to another user or can be
    /// written by others, or where it can neither be opened nor created.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, CodeCacheError> {
        let directory = PrivateDirectory::open(directory.as_ref())?;
        let secret = directory
            .secret()
            .map_err(|source| CodeCacheError::Secret { path: directory.path().to_path_buf(), source })?;
        if let Err(err) = directory.remove_stale_temporaries() {
            tracing::debug!(directory = %directory.path().display(), "cannot remove unfinished entries: {err}");
        }
        let shared = Shared { directory, secret, unwritable: AtomicBool::new(false), counters: Counters::default() };
        Ok(Self { shared: Arc::new(shared), size_limit: DEFAULT_SIZE_LIMIT })
    }

    /// Bytes that all entries may take together: 2 GiB unless set. When another entry would exceed them, the least
    /// recently used are removed.
    #[must_use]
    pub fn with_size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    /// The directory, as it was named.
    pub fn directory(&self) -> &Path {
        self.shared.directory.path()
    }

    /// All entries, the most recently used first. What they state is not checked; [`verify`](Self::verify) does that.
    ///
    /// # Errors
    /// [`CodeCacheError::List`].
    pub fn entries(&self) -> Result<Vec<CodeCacheEntry>, CodeCacheError> {
        let mut entries: Vec<_> = self.keys()?.into_iter().filter_map(|key| self.entry(key)).collect();
        entries.sort_unstable_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.key.cmp(&b.key)));
        Ok(entries)
    }

    /// How much the directory holds, and how this process used it.
    ///
    /// # Errors
    /// [`CodeCacheError::List`].
    pub fn stats(&self) -> Result<CodeCacheStats, CodeCacheError> {
        let entries = self.entries()?;
        let counters = &self.shared.counters;
        Ok(CodeCacheStats {
            entries: entries.len() as u64,
            bytes: entries.iter().map(|entry| entry.size).sum(),
            size_limit: self.size_limit,
            hits: counters.hits.load(Ordering::Relaxed),
            misses: counters.misses.load(Ordering::Relaxed),
            rejected: counters.rejected.load(Ordering::Relaxed),
            evicted: counters.evicted.load(Ordering::Relaxed),
        })
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// [`CodeCacheError::List`] and [`CodeCacheError::Remove`].
    pub fn clear(&self) -> Result<Removed, CodeCacheError> {
        let mut removed = Removed::default();
        for key in self.keys()? {
            removed.bytes += self.entry(key).map_or(0, |entry| entry.size);
            removed.entries += 1;
            self.remove(&key.to_string())?;
        }
        Ok(removed)
    }

    /// Removes entries that were not used for long, then the least recently used.
    ///
    /// # Errors
    /// [`CodeCacheError::List`] and [`CodeCacheError::Remove`].
    pub fn prune(&self, which: Prune) -> Result<Removed, CodeCacheError> {
        let entries = self.entries()?;
        let now = SystemTime::now();
        let mut total: u64 = 0;
        let mut removed = Removed::default();
        // The most recently used come first, so once the limit is reached all that follow are to go.
        for entry in entries {
            total = total.saturating_add(entry.size);
            let age = now.duration_since(entry.last_used).unwrap_or_default();
            let too_old = which.max_age.is_some_and(|max_age| age > max_age);
            if too_old || which.max_bytes.is_some_and(|max_bytes| total > max_bytes) {
                self.remove(&entry.key)?;
                removed.entries += 1;
                removed.bytes += entry.size;
            }
        }
        Ok(removed)
    }

    /// Checks all entries and removes those that are damaged or that somebody else made.
    ///
    /// # Errors
    /// [`CodeCacheError::List`] and [`CodeCacheError::Remove`].
    pub fn verify(&self) -> Result<Verification, CodeCacheError> {
        let mut verification = Verification::default();
        for key in self.keys()? {
            let intact = self.open_entry(&key).and_then(|file| {
                let Some(file) = file else { return Ok(None) };
                match artifact::check(&file, &self.shared.secret, &key).map_err(Rejection::Unreadable)? {
                    Ok(_) => Ok(Some(())),
                    Err(flaw) => Err(Rejection::Flaw(flaw)),
                }
            });
            match intact {
                Ok(Some(())) => verification.intact += 1,
                // Somebody removed it meanwhile.
                Ok(None) => {}
                Err(_) => {
                    self.remove(&key.to_string())?;
                    verification.removed.push(key.to_string());
                }
            }
        }
        Ok(verification)
    }

    /// The code of an entry, if there is one that can be trusted.
    pub(super) fn load(&self, engine: &Engine, key: &EntryKey) -> Option<Component> {
        let component = self.load_quietly(engine, key);
        let counters = &self.shared.counters;
        if component.is_some() {
            counters.hits.fetch_add(1, Ordering::Relaxed);
            self.touch(key);
        } else {
            counters.misses.fetch_add(1, Ordering::Relaxed);
        }
        component
    }

    /// Whether there is an entry. Whether it can be trusted is not looked at.
    pub(super) fn contains(&self, key: &EntryKey) -> bool {
        matches!(self.open_entry(key), Ok(Some(_)))
    }

    /// Stores code and returns what the new entry holds; `None` where that does not work.
    pub(super) fn store(
        &self,
        engine: &Engine,
        key: &EntryKey,
        (component, component_length): (ComponentDigest, usize),
        code: &TrustedCode,
    ) -> Option<Component> {
        let code = code.bytes()?;
        let (code_length, component_length) = (code.len() as u64, component_length as u64);
        if code_length >= self.size_limit {
            return None;
        }
        let description = Description { key: *key, component, code_length, component_length };
        let trailer = artifact::trailer(&self.shared.secret, code, &description);
        if let Err(err) = self.shared.directory.write(&key.file_name(), &[code, &trailer]) {
            let directory = self.directory().display();
            if self.shared.unwritable.swap(true, Ordering::Relaxed) {
                tracing::debug!(%directory, "cannot store compiled code: {err}");
            } else {
                tracing::warn!(%directory, "cannot store compiled code, so it is compiled again next time: {err}");
            }
            return None;
        }
        self.evict();
        self.load_quietly(engine, key)
    }

    /// Notes that an entry is in use.
    pub(super) fn touch(&self, key: &EntryKey) {
        // Where it fails the entry is only taken for older than it is.
        _ = self.shared.directory.touch(&key.file_name());
    }

    fn load_quietly(&self, engine: &Engine, key: &EntryKey) -> Option<Component> {
        match self.try_load(engine, key) {
            Ok(component) => component,
            Err(rejection) => {
                tracing::warn!(entry = %key, "compiled code is not used and removed: {rejection}");
                self.shared.counters.rejected.fetch_add(1, Ordering::Relaxed);
                if let Err(err) = self.shared.directory.remove(&key.file_name()) {
                    tracing::warn!(entry = %key, "cannot remove compiled code: {err}");
                }
                None
            }
        }
    }

    fn try_load(&self, engine: &Engine, key: &EntryKey) -> Result<Option<Component>, Rejection> {
        let Some(file) = self.open_entry(key)? else { return Ok(None) };
        let secret = &self.shared.secret;
        if cfg!(target_os = "linux") {
            let code = TrustedCode::mapped(&file, secret, key).map_err(Rejection::Unreadable)?;
            // It cannot be mapped where the file system is mounted without the right to execute, for example.
            if let Ok(component) = code.map_err(Rejection::Flaw)?.load(engine) {
                return Ok(Some(component));
            }
        }
        let code = TrustedCode::copied(&file, secret, key).map_err(Rejection::Unreadable)?;
        code.map_err(Rejection::Flaw)?.load(engine).map(Some).map_err(Rejection::Unloadable)
    }

    fn open_entry(&self, key: &EntryKey) -> Result<Option<File>, Rejection> {
        match self.shared.directory.open_own(&key.file_name()) {
            Ok(Some(file)) => Ok(Some(file)),
            Ok(None) => Err(Rejection::Flaw("it is no file that only its owner can write")),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Rejection::Unreadable(err)),
        }
    }

    fn evict(&self) {
        match self.prune(Prune { max_bytes: Some(self.size_limit), max_age: None }) {
            Ok(removed) => {
                self.shared.counters.evicted.fetch_add(removed.entries, Ordering::Relaxed);
            }
            Err(err) => tracing::warn!("the code cache grows over its limit: {err}"),
        }
    }

    fn keys(&self) -> Result<Vec<EntryKey>, CodeCacheError> {
        let names = self.shared.directory.names();
        let names = names.map_err(|source| CodeCacheError::List { path: self.directory().to_path_buf(), source })?;
        Ok(names.iter().filter_map(|name| EntryKey::of_file(name)).collect())
    }

    fn entry(&self, key: EntryKey) -> Option<CodeCacheEntry> {
        let file = self.open_entry(&key).ok()??;
        let metadata = file.metadata().ok()?;
        let description = artifact::describe(&file).ok()?.ok();
        Some(CodeCacheEntry {
            key: key.to_string(),
            component: description.map(|description| description.component),
            component_size: description.map(|description| description.component_length),
            size: metadata.len(),
            last_used: metadata.modified().ok()?,
        })
    }

    fn remove(&self, key: &str) -> Result<(), CodeCacheError> {
        let name = key::file_name(key);
        self.shared
            .directory
            .remove(&name)
            .map_err(|source| CodeCacheError::Remove { path: self.directory().join(name), source })
    }
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache")
            .field("directory", &self.directory())
            .field("size_limit", &self.size_limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaw(flaw) => f.write_str(flaw),
            Self::Unreadable(err) => write!(f, "it cannot be read: {err}"),
            Self::Unloadable(err) => write!(f, "it cannot be loaded: {err:#}"),
        }
    }
}
