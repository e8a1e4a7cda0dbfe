//! Carries out a plan: `wit/deps`, the sources and the lock change together, or not at all.
//!
//! `wit/deps` is made anew beside the old one and takes its place in one step. Files that stay the same are the same
//! files there, with their times, so that no build thinks they changed.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempDir};

use crate::lock::LOCK_FILE_NAME;
use crate::project::WitProject;
use crate::sync::{Context, Plan};
use crate::sync_error::SyncError;

/// Threads that wait for the disk.
const MOST_SYNCS: usize = 16;

/// A change to `wit/deps`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A package is added or gets another text.
    Write {
        /// The package, with its version.
        package: String,
        /// The folder of `wit/deps`.
        entry: String,
        /// The text of the `package.wit` in it.
        text: String,
        /// Whether it was not there before.
        is_new: bool,
    },
    /// An entry is no longer needed.
    Remove {
        /// The file or folder in `wit/deps`.
        entry: OsString,
    },
}

/// Carries out a plan. One without changes still removes what killed processes left beside the files that they changed.
///
/// # Errors
///
/// When a file cannot be changed, or an interrupt came before the first change; then everything is as it was.
pub fn apply(context: &Context<'_>, plan: &Plan) -> Result<(), SyncError> {
    let project = context.project;
    remove_leftovers(project);
    if plan.is_empty() {
        return Ok(());
    }
    // Everything that can fail for want of space or rights is done beside what it will replace.
    let mut replacements = Vec::new();
    for file in plan.sources.changed() {
        replacements.push(prepare(&file.path, &file.text)?);
    }
    if plan.writes_lock {
        let text = plan.new_lock.to_text().map_err(SyncError::LockText)?;
        replacements.push(prepare(&project.lock_path(), &text)?);
    }
    let deps = if plan.changes.is_empty() { None } else { Some(NewDeps::build(&project.deps_dir(), &plan.changes)?) };
    let written = deps.iter().flat_map(|deps| deps.written.iter().map(|file| (file, deps.place.as_path())));
    let written = written.chain(replacements.iter().map(|new| (new.file.as_file(), new.path.as_path())));
    sync(&written.collect::<Vec<_>>())?;
    context.check_interrupt()?;
    // From here on it takes a few system calls, and an interrupt waits for them.
    let exchanged = deps.map(NewDeps::take_place).transpose()?;
    let mut done: Vec<Replaced> = Vec::new();
    for replacement in replacements {
        match replacement.persist() {
            Ok(replaced) => done.push(replaced),
            Err(err) => {
                done.into_iter().rev().for_each(Replaced::undo);
                if let Some(exchanged) = exchanged {
                    exchanged.undo();
                }
                return Err(err);
            }
        }
    }
    Ok(())
}

/// Makes changes to `wit/deps` alone.
///
/// # Errors
///
/// When a file cannot be changed, or an interrupt came before; then everything is as it was.
pub(crate) fn replace_deps(context: &Context<'_>, changes: &[Change]) -> Result<(), SyncError> {
    context.check_interrupt()?;
    remove_leftovers(context.project);
    if !changes.is_empty() {
        NewDeps::build(&context.project.deps_dir(), changes)?.take_place()?;
    }
    Ok(())
}

/// Waits until files are on the disk. All of them at once: a journal takes many in one turn.
fn sync(files: &[(&File, &Path)]) -> Result<(), SyncError> {
    let each = |(file, path): &(&File, &Path)| {
        file.sync_all().map_err(|source| SyncError::Write { path: path.to_path_buf(), source })
    };
    thread::scope(|scope| {
        let mut results = Vec::new();
        let mut threads = Vec::new();
        for part in files.chunks(files.len().div_ceil(MOST_SYNCS).max(1)) {
            let work = move || part.iter().try_for_each(each);
            match thread::Builder::new().spawn_scoped(scope, work) {
                Ok(thread) => threads.push(thread),
                // A system without threads to spare waits for one after the other.
                Err(_) => results.push(work()),
            }
        }
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
        results.into_iter().chain(joined).collect()
    })
}

/// A file that is ready to take another's place.
struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

/// A file that has been replaced, with what it held.
struct Replaced {
    path: PathBuf,
    old: Option<Vec<u8>>,
}

/// Writes the new text beside the file. A link keeps leading to the file that changes.
fn prepare(path: &Path, text: &str) -> Result<Replacement, SyncError> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let failed = |source| SyncError::Write { path: path.clone(), source };
    let mode = std::fs::metadata(&path).map_or(0o644, |metadata| metadata.permissions().mode());
    let folder = path.parent().unwrap_or(Path::new("."));
    // A file that must not be written to is not replaced behind its owner's back either.
    if path.exists() {
        std::fs::OpenOptions::new().append(true).open(&path).map_err(failed)?;
    }
    let prefix = format!(".{}-", path.file_name().unwrap_or_default().to_string_lossy());
    let builder =
        tempfile::Builder::new().prefix(&prefix).permissions(Permissions::from_mode(mode)).tempfile_in(folder);
    let mut file = builder.map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(Replacement { file, path })
}

impl Replacement {
    fn persist(self) -> Result<Replaced, SyncError> {
        let old = std::fs::read(&self.path).ok();
        let path = self.path;
        match self.file.persist(&path) {
            Ok(_) => Ok(Replaced { path, old }),
            Err(err) => Err(SyncError::Write { path, source: err.error }),
        }
    }
}

impl Replaced {
    fn undo(self) {
        // The first failure is the one that is reported.
        let _ = match self.old {
            Some(old) => std::fs::write(&self.path, old),
            None => std::fs::remove_file(&self.path),
        };
    }
}

/// The dependencies as they shall be, beside those that are.
struct NewDeps {
    folder: TempDir,
    /// The folder itself, wherever a link in its place leads.
    place: PathBuf,
    /// Folders that were missing on the way to it.
    exists: bool,
    /// New files in it, which are to be synced.
    written: Vec<File>,
}

impl NewDeps {
    fn build(place: &Path, changes: &[Change]) -> Result<Self, SyncError> {
        let failed = |source| SyncError::Write { path: place.to_owned(), source };
        let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let exists = place.is_dir();
        let parent = place.parent().unwrap_or(Path::new("."));
        let mode = if exists { std::fs::metadata(&place).map_err(failed)?.permissions().mode() } else { 0o777 };
        let builder =
            tempfile::Builder::new().prefix(".deps-").permissions(Permissions::from_mode(mode)).tempdir_in(parent);
        let folder = builder.map_err(failed)?;
        let is_replaced = |name: &OsString| {
            changes.iter().any(|change| match change {
                Change::Write { entry, .. } => name == entry.as_str(),
                Change::Remove { entry } => name == entry,
            })
        };
        if exists {
            for entry in std::fs::read_dir(&place).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if !is_replaced(&entry.file_name()) {
                    keep(&entry.path(), &folder.path().join(entry.file_name())).map_err(failed)?;
                }
            }
        }
        let mut written = Vec::new();
        for change in changes {
            if let Change::Write { entry, text, .. } = change {
                let package = folder.path().join(entry);
                written.push(write_package(&package, text).map_err(failed)?);
            }
        }
        Ok(Self { folder, place, exists, written })
    }

    /// The new folder takes the old one's name, and the old one the new one's.
    fn take_place(self) -> Result<Exchanged, SyncError> {
        let failed = |source: io::Error| SyncError::Write { path: self.place.clone(), source };
        if !self.exists {
            let renamed = renameat_with(CWD, self.folder.path(), CWD, &self.place, RenameFlags::NOREPLACE);
            match renamed {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    std::fs::rename(self.folder.path(), &self.place).map_err(failed)?;
                }
                renamed => renamed.map_err(|err| failed(err.into()))?,
            }
            return Ok(Exchanged { old: None, place: self.place, spare: self.folder.keep() });
        }
        match renameat_with(CWD, self.folder.path(), CWD, &self.place, RenameFlags::EXCHANGE) {
            // The file system knows no exchange: for a moment there is no folder, but never half of one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                exchange_in_steps(self.folder.path(), &self.place).map_err(failed)?
            }
            exchanged => exchanged.map_err(|err| failed(err.into()))?,
        }
        let spare = self.folder.path().to_owned();
        Ok(Exchanged { old: Some(self.folder), place: self.place, spare })
    }
}

fn exchange_in_steps(new: &Path, place: &Path) -> io::Result<()> {
    let aside = new.with_extension("old");
    std::fs::rename(place, &aside)?;
    if let Err(err) = std::fs::rename(new, place) {
        // Back to where it was.
        std::fs::rename(&aside, place)?;
        return Err(err);
    }
    std::fs::rename(&aside, new)
}

/// What the new folder replaced; gone when dropped.
struct Exchanged {
    old: Option<TempDir>,
    place: PathBuf,
    spare: PathBuf,
}

impl Exchanged {
    fn undo(self) {
        // The first failure is the one that is reported.
        let _ = match &self.old {
            Some(old) => match renameat_with(CWD, old.path(), CWD, &self.place, RenameFlags::EXCHANGE) {
                Ok(()) => Ok(()),
                Err(_) => exchange_in_steps(old.path(), &self.place),
            },
            None => std::fs::rename(&self.place, &self.spare).and_then(|()| std::fs::remove_dir_all(&self.spare)),
        };
    }
}

/// What processes left that were killed in the middle. No other works here now: whoever changes a project holds its
/// guard. Whatever cannot be removed is in nobody's way.
fn remove_leftovers(project: &WitProject) {
    let deps = std::fs::canonicalize(project.deps_dir()).unwrap_or_else(|_| project.deps_dir());
    for entry in entries(deps.parent().unwrap_or(project.wit_dir())) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(".deps-")) else { continue };
        // Without an exchange in one step, this may be all that there is.
        let is_only_copy = name.ends_with(".old") && !deps.exists();
        if !is_only_copy && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    for entry in entries(project.root()).chain(entries(project.wit_dir())) {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(is_name_of_replacement);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Whether [`prepare`] gives such a name to a file: a source's or the lock's with a dot before and six characters after it.
fn is_name_of_replacement(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.rsplit_once('-'));
    parts.is_some_and(|(file, random)| {
        let is_random = random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_random && (file == LOCK_FILE_NAME || file.ends_with(".wit"))
    })
}

fn write_package(folder: &Path, text: &str) -> io::Result<File> {
    std::fs::create_dir(folder)?;
    let mut file = File::create_new(folder.join("package.wit"))?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Makes the same entry in another folder: files are the same files, links lead to the same places.
fn keep(from: &Path, to: &Path) -> io::Result<()> {
    let kind = std::fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(std::fs::read_link(from)?, to);
    }
    if kind.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            keep(&entry.path(), &to.join(entry.file_name()))?;
        }
        return std::fs::set_permissions(to, std::fs::metadata(from)?.permissions());
    }
    std::fs::hard_link(from, to).or_else(|_| copy(from, to))
}

/// For file systems without hard links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::copy(from, to)?;
    let modified = std::fs::metadata(from)?.modified()?;
    std::fs::File::options().append(true).open(to)?.set_modified(modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_to_replace_others_are_recognised() {
        for name in [".wkg.lock-a1B2c3", ".world.wit-ABCDEF"] {
            assert!(is_name_of_replacement(name), "{name}");
        }
        for name in [".wkg.lock", "wkg.lock-a1B2c3", ".world.wit-draft", ".world.wit-a.b.cd", ".notes.md-a1B2c3"] {
            assert!(!is_name_of_replacement(name), "{name}");
        }
    }
}
