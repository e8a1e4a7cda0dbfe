//! Bringing a project's `wit/deps` and lock into agreement with its sources, for whoever needs no more of it than that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use thiserror::Error;
use washlib_wit::{Change, Context, Guard, PlanOptions, SyncError, WitProject};

use super::{Sources, SourcesSettings, Watcher, WitConfiguration};

/// Dependencies that did not come.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Others work on the project's WIT, and it cannot be waited for them: the flag was raised meanwhile
    /// ([`io::ErrorKind::Interrupted`]), or the lock file cannot be used.
    #[error("cannot wait for others that work on this project's WIT")]
    Guard(#[source] io::Error),
    /// The dependencies cannot be resolved, fetched or written.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

impl FetchError {
    /// Whether it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Guard(err) => err.kind() == io::ErrorKind::Interrupted,
            Self::Sync(err) => err.is_interrupted(),
        }
    }

    /// Whether the project itself is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Sync(err) if err.is_usage())
    }

    /// What helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Guard(_) => None,
            Self::Sync(err) => err.hint(),
        }
    }
}

/// Who is told what happens.
pub struct Listeners<Waiting, Changing> {
    /// How far packages are that are fetched.
    pub watcher: Arc<dyn Watcher>,
    /// Called if it takes longer until another process has done with the project's WIT.
    pub waiting: Waiting,
    /// Called with each change before they are carried out; not at all where there are none.
    pub changing: Changing,
}

/// Fetches what the sources refer to, and writes what has changed. When everything is in place, this reads a few files
/// and contacts nobody. Blocks; `interrupted` ends it.
///
/// # Errors
///
/// [`FetchError`]; the project is then as it was.
pub fn fetch<Waiting: FnOnce(), Changing: FnMut(&Change)>(
    project: &WitProject,
    configuration: WitConfiguration,
    interrupted: &Arc<AtomicBool>,
    mut listeners: Listeners<Waiting, Changing>,
) -> Result<(), FetchError> {
    let WitConfiguration { overrides, registries, oci, cache } = configuration;
    let settings = SourcesSettings {
        registries,
        oci,
        offline: false,
        cache: cache.clone(),
        interrupted: Arc::clone(interrupted),
        watcher: listeners.watcher,
    };
    let _guard = Guard::acquire(project, interrupted, listeners.waiting).map_err(FetchError::Guard)?;
    let source = Sources::new(settings);
    let context = Context { project, overrides: &overrides, source: &source, cache: &cache, interrupted };
    let sources = project.sources().map_err(SyncError::from)?;
    let plan = washlib_wit::plan(&context, sources, &PlanOptions::default())?;
    plan.changes.iter().for_each(&mut listeners.changing);
    Ok(washlib_wit::apply(&context, &plan)?)
}
