//! The project's WIT dependencies: what its worlds name is fetched before the build that needs it.
//!
//! When everything is in place, which is nearly always, this reads a few files and contacts nobody. What keeps packages
//! from coming does not keep the project from being built: what is in `wit/deps` may be all that it takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use washlib_config::{Config, Environment, Project};
use washlib_registry::wit::{self, FetchError, Listeners, Watcher, WitConfiguration, WitConfigurationError};
use washlib_wit::{Change, WitProject};

use crate::report::Report;

/// Where a project's WIT is, and where its dependencies come from.
#[derive(Debug)]
pub(crate) struct WitDependencies {
    project: WitProject,
    configuration: WitConfiguration,
}

impl WitDependencies {
    /// `None` where there is nothing to fetch, or nothing is to be fetched.
    pub(crate) fn new(
        project: &Project,
        config: &Config,
        environment: &Environment,
    ) -> Result<Option<Self>, WitConfigurationError> {
        let wit = WitProject::new(project.root(), config.wit.wit_dir_or_default().into_value());
        if *config.wit.skip_fetch_or_default().value() || !wit.has_sources() {
            return Ok(None);
        }
        let configuration = WitConfiguration::new(config, project.root(), environment)?;
        Ok(Some(Self { project: wit, configuration }))
    }

    /// Whether a change of these files can ask for others; none stand for any.
    pub(crate) fn depend_on(&self, changed: &[PathBuf]) -> bool {
        let (manifest, lock) = (self.project.manifest_path(), self.project.lock_path());
        let concerns = |path: &Path| {
            let is_configuration = path.parent().is_some_and(|folder| folder.ends_with(".wash"));
            path.starts_with(self.project.wit_dir()) || path == manifest || path == lock || is_configuration
        };
        changed.is_empty() || changed.iter().any(|path| concerns(path))
    }

    /// The file that says what was fetched.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.project.lock_path()
    }

    /// Brings `wit/deps` and the lock into agreement with the sources. Blocks; the flag ends it.
    pub(crate) fn fetch(self, interrupted: &Arc<AtomicBool>, report: &Report) -> Result<(), FetchError> {
        let listeners = Listeners {
            watcher: Arc::new(Unheard),
            waiting: || report.waiting("for another process that works on this project's WIT"),
            changing: |change: &Change| match change {
                Change::Write { package, is_new: true, .. } => report.fetched("Added", package),
                Change::Write { package, .. } => report.fetched("Changed", package),
                Change::Remove { entry } => report.fetched("Removed", &entry.to_string_lossy()),
            },
        };
        wit::fetch(&self.project, self.configuration, interrupted, listeners)
    }
}

/// How far a package is, nobody needs to know: they are small.
struct Unheard;

impl Watcher for Unheard {
    fn fetched(&self, _done: usize, _total: usize, _what: &str) {}
}
