//! Fetches the WIT dependencies of the project before it is built.
//!
//! When everything is in place, which is nearly always, this reads a few files; nothing is started or contacted.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use washlib_cli::{CommandError, Ui};
use washlib_config::{Config, Environment, Project};
use washlib_registry::wit::{self, Listeners, Watcher, WitConfiguration};
use washlib_wit::{Change, WitProject};

use crate::command_error;

/// Brings `wit/deps` and the lock into agreement with the sources. A project without WIT has nothing to fetch.
pub(crate) fn fetch(
    project: &Project,
    config: &Config,
    environment: &Environment,
    interrupted: &Arc<AtomicBool>,
    ui: &Ui,
) -> Result<(), CommandError> {
    let wit_project = WitProject::new(project.root(), config.wit.wit_dir_or_default().into_value());
    if !wit_project.has_sources() {
        return Ok(());
    }
    let configuration =
        WitConfiguration::new(config, project.root(), environment).map_err(command_error::wit_configuration)?;
    let listeners = Listeners {
        watcher: Arc::new(UiWatcher(ui.clone())),
        waiting: || ui.status("Waiting", "for another process that works on this project's WIT"),
        changing: |change: &Change| match change {
            Change::Write { package, is_new: true, .. } => ui.status("Added", package),
            Change::Write { package, .. } => ui.status("Changed", package),
            Change::Remove { entry } => ui.status("Removed", &entry.to_string_lossy()),
        },
    };
    wit::fetch(&wit_project, configuration, interrupted, listeners).map_err(command_error::fetch)
}

struct UiWatcher(Ui);

impl Watcher for UiWatcher {
    fn fetched(&self, done: usize, total: usize, what: &str) {
        let count = if total > 1 { format!(" ({done} of {total})") } else { String::new() };
        self.0.detail(&format!("fetched {what}{count}"));
    }
}
