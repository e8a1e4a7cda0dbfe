//! Plans the files of a template that is a commit of a Git repository.
//!
//! How repositories are fetched and read is washlib-git's business.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use washlib_git::{Objects, RepositoryError, TreeEntryKind};

use crate::plan::{Contents, Plan, PlanError, SkipReason};
use crate::plan_builder::PlanBuilder;

/// Plans the files below `subfolder` of a commit.
pub(crate) fn plan(objects: Objects, subfolder: &Path, interrupted: &AtomicBool) -> Result<Plan, PlanError> {
    let mut builder = PlanBuilder::default();
    objects.walk(subfolder, |entry| {
        if interrupted.load(Ordering::Relaxed) {
            return Err(PlanError::Interrupted);
        }
        let path = &entry.path;
        if !builder.visit(path)? {
            return Ok(false);
        }
        match entry.kind {
            TreeEntryKind::Folder => {}
            TreeEntryKind::Submodule => builder.skip(path, SkipReason::Submodule),
            TreeEntryKind::Link(id) => {
                let target = objects.read_blob(id).map_err(RepositoryError::Objects)?;
                builder.symlink(path, OsStr::from_bytes(&target).into());
            }
            TreeEntryKind::File { id, executable } => {
                builder.file(path, executable, objects.size(id)?, Contents::Blob(id))?;
            }
        }
        Ok(true)
    })?;
    builder.finish(Some(objects))
}
