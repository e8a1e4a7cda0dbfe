//! `wash wit cache`: what was fetched before, on this machine.

use std::env;
use std::path::Path;

use serde::Serialize;
use washlib_cli::{CommandError, Ui};
use washlib_config::Config;
use washlib_registry::wit::WitConfiguration;

use crate::cli::CacheCommand;
use crate::command_error;

#[derive(Debug, Serialize)]
struct CacheData {
    /// How many files are gone.
    entries: u64,
    bytes: u64,
}

/// The body of the command. It needs no project.
pub(crate) fn run(command: &CacheCommand, ui: &Ui) -> Result<(), CommandError> {
    let CacheCommand::Clean = command;
    let environment = env::vars_os().collect();
    let configuration = WitConfiguration::new(&Config::default(), Path::new("."), &environment);
    let cache = configuration.map_err(command_error::configuration)?.cache;
    let (entries, bytes) = cache.clean().map_err(CommandError::failure)?;
    let message = format!("{entries} entries removed, {} kB", bytes.div_ceil(1000));
    ui.result(&message, &message, CacheData { entries, bytes })
}
