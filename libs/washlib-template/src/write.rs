//! Writes a planned project to disk: all of it, or nothing.
//!
//! Everything is written beside the destination first and takes its name in one step, which fails when something has
//! that name already. Nothing that exists is ever changed or removed.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;
use thiserror::Error;

use crate::plan::{Entry, EntryKind, Plan};

/// Why a project was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Something has the project's name already.
    #[error("`{}` already exists", path.display())]
    AlreadyExists {
        /// What exists.
        path: PathBuf,
    },
    /// The folder that is to hold the project cannot hold it.
    #[error("cannot create a folder in `{}`", parent.display())]
    Parent {
        /// The folder.
        parent: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the template could not be read.
    #[error("cannot read `{}` of the template", path.display())]
    Read {
        /// The file's path inside the template.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the project could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file's path inside the project.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Checks that nothing is called `name` in `parent`, not even a link that leads nowhere: cheap, and worth doing before a
/// template is fetched.
///
/// # Errors
///
/// When there is such a thing, or the folder cannot be looked into.
pub fn check_absent(parent: &Path, name: &str) -> Result<(), WriteError> {
    let path = parent.join(name);
    match path.symlink_metadata() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(WriteError::Parent { parent: parent.to_owned(), source }),
        Ok(_) => Err(WriteError::AlreadyExists { path }),
    }
}

/// Creates the folder `name` in `parent` with the files of `plan` and returns its path. Stops when `interrupted` becomes
/// true.
///
/// # Errors
///
/// When anything goes wrong; then no trace of the project is left.
pub fn write(plan: &Plan, parent: &Path, name: &str, interrupted: &AtomicBool) -> Result<PathBuf, WriteError> {
    check_absent(parent, name)?;
    let in_parent = |source| WriteError::Parent { parent: parent.to_owned(), source };
    // The folder becomes the project: it gets a new folder's usual permissions, not a temporary one's.
    let unfinished = tempfile::Builder::new()
        .prefix(&format!(".{name}.wash-new-"))
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(in_parent)?;
    // Links come last, so that no file can be written through one.
    let is_link = |entry: &&Entry| matches!(entry.kind, EntryKind::Symlink { .. });
    let (links, others): (Vec<_>, Vec<_>) = plan.entries().iter().partition(is_link);
    for entry in others.into_iter().chain(links) {
        if interrupted.load(Ordering::Relaxed) {
            return Err(WriteError::Interrupted);
        }
        write_entry(plan, entry, unfinished.path())?;
    }
    let destination = parent.join(name);
    take_name(unfinished, &destination).map_err(|err| match err.kind() {
        io::ErrorKind::AlreadyExists => WriteError::AlreadyExists { path: destination.clone() },
        _ => in_parent(err),
    })?;
    Ok(destination)
}

fn write_entry(plan: &Plan, entry: &Entry, root: &Path) -> Result<(), WriteError> {
    let path = root.join(&entry.path);
    let failed = |source| WriteError::Write { path: entry.path.clone(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match &entry.kind {
        EntryKind::Folder => std::fs::create_dir_all(&path).map_err(failed),
        EntryKind::Symlink { target } => std::os::unix::fs::symlink(target, &path).map_err(failed),
        EntryKind::File { executable, contents } => {
            let read = |source| WriteError::Read { path: entry.path.clone(), source };
            let bytes = plan.read(contents).map_err(read)?;
            let mode = if *executable { 0o777 } else { 0o666 };
            write_file(&path, &bytes, mode).map_err(failed)
        }
    }
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn take_name(unfinished: TempDir, destination: &Path) -> io::Result<()> {
    let renamed = renameat_with(CWD, unfinished.path(), CWD, destination, RenameFlags::NOREPLACE);
    match renamed {
        // Some network file systems do not know how to refuse; then the check and the renaming are two steps, and the
        // worst that can happen in between is that an empty folder is taken over.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if destination.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(unfinished.path(), destination)?;
        }
        renamed => renamed?,
    }
    // The folder has left the name that would be removed.
    let _ = unfinished.keep();
    if let Some(parent) = destination.parent()
        && let Ok(parent) = std::fs::File::open(parent)
    {
        // Not every file system can; the files themselves are safe.
        let _ = parent.sync_all();
    }
    Ok(())
}
