//! Where compiled code is kept, and `wash host cache`, which looks after it.
//!
//! What an entry is and whether it can be trusted is the runtime's business.

use std::env;
use std::path::{Path, PathBuf};

use serde::Serialize;
use wash_runtime::engine::code_cache::{CodeCache, CodeCacheEntry, Prune, Removed};
use washlib_cli::{CommandError, Ui};

use crate::cli::{Cache, CacheDir};
use crate::command_error;
use crate::options;

/// The result of `wash host cache list`.
#[derive(Debug, Serialize)]
struct Listing {
    directory: PathBuf,
    entries: Vec<Entry>,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Entry {
    key: String,
    /// The digest of the component.
    component: Option<String>,
    /// Bytes of the component.
    component_size: Option<u64>,
    /// Bytes of the code.
    size: u64,
    last_used: String,
}

/// The result of `prune` and `clear`.
#[derive(Debug, Serialize)]
struct Gone {
    entries: u64,
    bytes: u64,
}

/// The result of `verify`.
#[derive(Debug, Serialize)]
struct Verified {
    intact: u64,
    /// The keys of those that were damaged.
    removed: Vec<String>,
}

/// The result of `path`.
#[derive(Debug, Serialize)]
struct Place {
    directory: PathBuf,
}

/// The body of `wash host cache`.
pub(crate) fn cache(command: &Cache, ui: &Ui) -> Result<(), CommandError> {
    match command {
        Cache::List(place) => list(&directory(place)?, ui),
        Cache::Prune(prune) => {
            let max_age = prune.max_age.as_deref().map(|text| options::duration("--max-age", text));
            let which = Prune {
                max_bytes: prune.max_size.map(|mebibytes| mebibytes.saturating_mul(1 << 20)),
                max_age: max_age.transpose().map_err(command_error::option)?,
            };
            remove(&directory(&prune.cache)?, ui, |cache| cache.prune(which))
        }
        Cache::Clear(place) => remove(&directory(place)?, ui, CodeCache::clear),
        Cache::Verify(place) => verify(&directory(place)?, ui),
        Cache::Path(place) => {
            let directory = directory(place)?;
            let text = directory.display().to_string();
            ui.result(&text, &text, Place { directory: directory.clone() })
        }
    }
}

/// The folder that an option names, or the user's own.
pub(crate) fn directory(place: &CacheDir) -> Result<PathBuf, CommandError> {
    match &place.cache_dir {
        Some(directory) => Ok(directory.clone()),
        None => default_directory().ok_or_else(command_error::no_cache_folder),
    }
}

/// Where all tools keep compiled code; none where nobody knows that.
pub(crate) fn default_directory() -> Option<PathBuf> {
    washlib_workload::code_cache_directory(|name| env::var_os(name))
}

/// Opens a cache that is there; looking after one makes none.
fn existing(directory: &Path) -> Result<Option<CodeCache>, CommandError> {
    if !directory.exists() {
        return Ok(None);
    }
    CodeCache::open(directory).map(Some).map_err(command_error::cache)
}

fn list(directory: &Path, ui: &Ui) -> Result<(), CommandError> {
    let entries = match existing(directory)? {
        Some(cache) => cache.entries().map_err(command_error::cache)?,
        None => Vec::new(),
    };
    let bytes = entries.iter().map(|entry| entry.size).sum();
    let entries: Vec<_> = entries.into_iter().map(Entry::from).collect();
    let message = format!("{} entries, {} in {}", entries.len(), size(bytes), directory.display());
    let mut text = String::new();
    for Entry { key, component_size, size: code_size, last_used, .. } in &entries {
        let component = component_size.map_or_else(|| "?".to_owned(), size);
        text += &format!("{key:.16}  {:>9}  of a component of {component:>9}  used {last_used}\n", size(*code_size));
    }
    text += &message;
    ui.result(&text, &message, Listing { directory: directory.to_owned(), entries, bytes })
}

fn remove<E: std::error::Error + Send + Sync + 'static>(
    directory: &Path,
    ui: &Ui,
    remove: impl FnOnce(&CodeCache) -> Result<Removed, E>,
) -> Result<(), CommandError> {
    let removed = match existing(directory)? {
        Some(cache) => remove(&cache).map_err(CommandError::failure)?,
        None => Removed::default(),
    };
    let message = format!("removed {} entries, {}", removed.entries, size(removed.bytes));
    ui.result(&message, &message, Gone { entries: removed.entries, bytes: removed.bytes })
}

fn verify(directory: &Path, ui: &Ui) -> Result<(), CommandError> {
    let (intact, removed) = match existing(directory)? {
        Some(cache) => {
            let verification = cache.verify().map_err(command_error::cache)?;
            (verification.intact, verification.removed)
        }
        None => (0, Vec::new()),
    };
    let message = match removed.as_slice() {
        [] => format!("{intact} entries, all intact"),
        removed => format!("{intact} entries are intact, {} were damaged and are removed", removed.len()),
    };
    ui.result(&message, &message, Verified { intact, removed })
}

impl From<CodeCacheEntry> for Entry {
    fn from(entry: CodeCacheEntry) -> Self {
        Self {
            key: entry.key,
            component: entry.component.map(|digest| digest.to_string()),
            component_size: entry.component_size,
            size: entry.size,
            last_used: humantime::format_rfc3339_seconds(entry.last_used).to_string(),
        }
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{} kB", bytes.div_ceil(1000)) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}
