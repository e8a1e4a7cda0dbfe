//! Removes from `wit/deps` what fetches left there, and nothing that the lock does not own.
//!
//! Asks nobody and leaves the lock as it is. All of it goes in one step, or nothing.

use crate::deps_dir::{DepsDir, NO_RELEASES, Owners};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::resolve::overrides;
use crate::sync::Context;
use crate::sync_error::SyncError;
use crate::write::{Change, replace_deps};

/// What a cleaning removed, and what it left.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// Entries of `wit/deps` that are gone.
    pub removed: Vec<String>,
    /// Entries that the lock does not own.
    pub kept: Vec<String>,
}

/// Removes what the lock owns in `wit/deps`, and the folder itself when nothing else is in it.
///
/// # Errors
///
/// When the lock or the manifest cannot be read or a file not be removed, or on an interrupt; then nothing has changed.
pub fn clean(context: &Context<'_>) -> Result<Cleaned, SyncError> {
    let project = context.project;
    let manifest = Manifest::read(&project.manifest_path()).map_err(crate::ProjectError::from)?;
    let lock = Lock::read(&project.lock_path()).map_err(crate::ProjectError::from)?;
    let deps = DepsDir::read(&project.deps_dir(), |path| project.shown(path))?;
    let overrides = overrides(context, &manifest);
    let owned = deps.owned(&Owners { lock: &lock, overrides: &overrides, releases: &NO_RELEASES });
    let mut cleaned = Cleaned::default();
    for entry in &deps.entries {
        let list = if owned.contains(&entry.name) { &mut cleaned.removed } else { &mut cleaned.kept };
        list.push(entry.name.to_string_lossy().into_owned());
    }
    let changes: Vec<Change> = owned.into_iter().map(|entry| Change::Remove { entry }).collect();
    replace_deps(context, &changes)?;
    if cleaned.kept.is_empty() && !project.deps_dir().is_symlink() {
        // Missing, or not empty after all: neither matters.
        let _ = std::fs::remove_dir(project.deps_dir());
    }
    Ok(cleaned)
}
