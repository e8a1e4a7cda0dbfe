//! `wash oci cache`.

use std::path::PathBuf;

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{Cache, CacheEntry, Prune, Removed, Unfinished};

use crate::cli;
use crate::command_error;
use crate::session;

#[derive(Debug, Serialize)]
struct ListData {
    directory: PathBuf,
    entries: Vec<Entry>,
    /// The length of the entries.
    bytes: u64,
    unfinished: UnfinishedData,
}

/// Downloads under way, and what interrupted ones have left.
#[derive(Debug, Serialize)]
struct UnfinishedData {
    downloads: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Entry {
    digest: String,
    bytes: u64,
    last_used: String,
    references: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RemovedData {
    entries: u64,
    /// How many unfinished downloads.
    unfinished: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct PathData {
    directory: PathBuf,
}

/// The body of the commands.
pub(crate) fn cache(command: &cli::Cache, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let settings = session::settings(global, ui)?.cache.ok_or_else(command_error::no_home)?;
    let cache = Cache::open(&settings);
    match command {
        cli::Cache::List => list(&cache, ui),
        cli::Cache::Prune(args) => {
            let which = Prune { unused_for: Some(args.unused_for()?), max_bytes: args.max_bytes() };
            removed(cache.prune(which).map_err(CommandError::failure)?, ui)
        }
        cli::Cache::Clean => removed(cache.clean().map_err(CommandError::failure)?, ui),
        cli::Cache::Path => {
            let text = settings.folder.display().to_string();
            ui.result(&text, &text, PathData { directory: settings.folder.clone() })
        }
    }
}

fn list(cache: &Cache, ui: &Ui) -> Result<(), CommandError> {
    let entries: Vec<Entry> = cache.entries().map_err(CommandError::failure)?.into_iter().map(entry).collect();
    let Unfinished { downloads, bytes: came } = cache.unfinished().map_err(CommandError::failure)?;
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    let line = |e: &Entry| format!("{}  {:>9}  {}  {}\n", e.digest, size(e.bytes), e.last_used, e.references.join(" "));
    let text: String = entries.iter().map(line).collect();
    let mut message = format!("{} entries, {}", entries.len(), size(bytes));
    if downloads > 0 {
        let leftovers = format!("{}, {}", count(downloads), size(came));
        message.push_str(&format!("; {leftovers}"));
        // Not among the entries: each line of those begins with a digest.
        ui.status("Kept", &format!("{leftovers}, for the next pull to continue"));
    }
    let unfinished = UnfinishedData { downloads, bytes: came };
    ui.result(&text, &message, ListData { directory: cache.folder().to_owned(), entries, bytes, unfinished })
}

fn removed(removed: Removed, ui: &Ui) -> Result<(), CommandError> {
    let Removed { blobs, unfinished: downloads, bytes } = removed;
    let and = if downloads > 0 { format!(" and {}", count(downloads)) } else { String::new() };
    let message = format!("{blobs} entries{and} removed, {}", size(bytes));
    ui.result(&message, &message, RemovedData { entries: blobs, unfinished: downloads, bytes })
}

fn count(downloads: u64) -> String {
    if downloads == 1 { "1 unfinished download".to_owned() } else { format!("{downloads} unfinished downloads") }
}

fn entry(entry: CacheEntry) -> Entry {
    Entry {
        digest: entry.digest.to_string(),
        bytes: entry.size,
        last_used: humantime::format_rfc3339_seconds(entry.last_used).to_string(),
        references: entry.references,
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{} kB", bytes.div_ceil(1000)) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}
