//! `wash oci cache`.

use std::path::PathBuf;

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{CacheEntry, Prune, Removed};

use crate::cli;
use crate::command_error;
use crate::session;

#[derive(Debug, Serialize)]
struct ListData {
    directory: PathBuf,
    entries: Vec<Entry>,
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
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct PathData {
    directory: PathBuf,
}

/// The body of the commands.
pub(crate) fn cache(command: &cli::Cache, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let settings = session::settings(global, ui)?.cache.ok_or_else(command_error::no_home)?;
    let cache = washlib_registry::Cache::open(&settings);
    match command {
        cli::Cache::List => {
            let entries: Vec<Entry> = cache.entries().map_err(CommandError::failure)?.into_iter().map(entry).collect();
            let bytes = entries.iter().map(|entry| entry.bytes).sum();
            let line = |e: &Entry| {
                format!("{}  {:>9}  {}  {}\n", e.digest, size(e.bytes), e.last_used, e.references.join(" "))
            };
            let text: String = entries.iter().map(line).collect();
            let message = format!("{} entries, {}", entries.len(), size(bytes));
            ui.result(&text, &message, ListData { directory: settings.folder, entries, bytes })
        }
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

fn removed(removed: Removed, ui: &Ui) -> Result<(), CommandError> {
    let message = format!("{} entries removed, {}", removed.blobs, size(removed.bytes));
    ui.result(&message, &message, RemovedData { entries: removed.blobs, bytes: removed.bytes })
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
