//! `wash wit cache`: what was fetched before, on this machine.

use std::env;
use std::path::{Path, PathBuf};

use serde::Serialize;
use washlib_cli::{CommandError, Ui};
use washlib_config::Config;
use washlib_registry::wit::WitConfiguration;
use washlib_wit::{Prune, Removed};

use crate::cli::CacheCommand;
use crate::command_error;

#[derive(Debug, Serialize)]
struct RemovedData {
    /// How many files are gone.
    entries: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct PathData {
    directory: PathBuf,
}

/// The body of the commands. They need no project.
pub(crate) fn run(command: &CacheCommand, ui: &Ui) -> Result<(), CommandError> {
    let environment = env::vars_os().collect();
    let configuration = WitConfiguration::new(&Config::default(), Path::new("."), &environment);
    let cache = configuration.map_err(command_error::configuration)?.cache;
    match command {
        CacheCommand::Prune(args) => {
            let which = Prune { unused_for: Some(args.unused_for()?), max_bytes: args.max_bytes() };
            removed(cache.prune(which).map_err(CommandError::failure)?, ui)
        }
        CacheCommand::Clean => removed(cache.clean().map_err(CommandError::failure)?, ui),
        CacheCommand::Path => {
            let text = cache.folder().display().to_string();
            ui.result(&text, &text, PathData { directory: cache.folder().to_owned() })
        }
    }
}

fn removed(removed: Removed, ui: &Ui) -> Result<(), CommandError> {
    let Removed { entries, bytes } = removed;
    let message = format!("{entries} entries removed, {} kB", bytes.div_ceil(1000));
    ui.result(&message, &message, RemovedData { entries, bytes })
}
