//! Fetches the WIT dependencies of the project before it is built.
//!
//! When everything is in place, which is nearly always, this reads a few files; nothing is started or contacted.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use washlib_cli::{CommandError, Ui};
use washlib_config::{Config, Environment, Project};
use washlib_registry::wit::{Sources, SourcesSettings, Watcher, WitConfiguration};
use washlib_wit::{Change, Context, Guard, PlanOptions, WitProject};

use crate::command_error;

/// Brings `wit/deps` and the lock into agreement with the sources. A project without WIT has nothing to fetch.
pub(crate) fn fetch(
    project: &Project,
    config: &Config,
    environment: &Environment,
    interrupted: &Arc<AtomicBool>,
    ui: &Ui,
) -> Result<(), CommandError> {
    let wit = WitProject::new(project.root(), config.wit.wit_dir_or_default().into_value());
    if !wit.has_sources() {
        return Ok(());
    }
    let configuration = WitConfiguration::new(config, project.root(), environment);
    let WitConfiguration { overrides, registries, oci, cache } =
        configuration.map_err(command_error::wit_configuration)?;
    let settings = SourcesSettings {
        registries,
        oci,
        offline: false,
        cache: cache.clone(),
        interrupted: Arc::clone(interrupted),
        watcher: Arc::new(UiWatcher(ui.clone())),
    };
    let waiting = || ui.status("Waiting", "for another process that works on this project's WIT");
    let _guard = Guard::acquire(&wit, interrupted, waiting).map_err(command_error::guard)?;
    let source = Sources::new(settings);
    let context = Context { project: &wit, overrides: &overrides, source: &source, cache: &cache, interrupted };
    let sources = wit.sources().map_err(|err| command_error::fetch(err.into()))?;
    let plan = washlib_wit::plan(&context, sources, &PlanOptions::default()).map_err(command_error::fetch)?;
    if plan.is_empty() {
        return Ok(());
    }
    for change in &plan.changes {
        match change {
            Change::Write { package, is_new: true, .. } => ui.status("Added", package),
            Change::Write { package, .. } => ui.status("Changed", package),
            Change::Remove { entry } => ui.status("Removed", &entry.to_string_lossy()),
        }
    }
    washlib_wit::apply(&context, &plan).map_err(command_error::fetch)
}

struct UiWatcher(Ui);

impl Watcher for UiWatcher {
    fn fetched(&self, done: usize, total: usize, what: &str) {
        let count = if total > 1 { format!(" ({done} of {total})") } else { String::new() };
        self.0.detail(&format!("fetched {what}{count}"));
    }
}
