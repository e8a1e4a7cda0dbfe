//! Finds the file that a build left, and tells a fresh one from a stale one.
//!
//! A build tool that had nothing to do leaves the file untouched, and that is right; a command that forgot to build
//! leaves it untouched too, and that is an error. The two differ in whether a source is newer than the file.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use washlib_config::Layer;

use crate::sources;
use crate::toolchain;
use crate::{BuildError, BuildRequest, CancelToken};

/// Where toolchains leave components when nobody says otherwise, relative to the project.
const CONVENTIONAL_FOLDERS: [&str; 7] = [
    "",
    "build",
    "dist",
    "target/wasm32-wasip2/release",
    "target/wasm32-wasip2/debug",
    "target/wasm32-wasip1/release",
    "target/wasm32-wasip1/debug",
];

/// How far the times of files may lag behind the clock: file systems stamp files with the time of the kernel's last tick,
/// so that what a quick build writes could seem to have been there before.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// The state of the project's WebAssembly files before a build.
pub(crate) struct Expected {
    path: PathBuf,
    before: BTreeMap<PathBuf, Fingerprint>,
    started: SystemTime,
}

/// What changes when a file is written.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Fingerprint {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() }
    }
}

impl Expected {
    pub(crate) fn new(request: &BuildRequest) -> Result<Self, BuildError> {
        let path = normalize(&request.root.join(request.configured_path()));
        check_inside(request, &path)?;
        let mut before: BTreeMap<_, _> = candidates(&request.root).collect();
        if let Some(metadata) = regular_file(&path) {
            before.insert(path.clone(), Fingerprint::from(&metadata));
        }
        Ok(Self { path, before, started: SystemTime::now() - CLOCK_TICK })
    }

    /// Finds what an earlier build left, whatever its age. Where several toolchain folders hold components, the first of
    /// [`CONVENTIONAL_FOLDERS`] counts.
    pub(crate) fn existing(&self, request: &BuildRequest, cancel: &CancelToken) -> Result<PathBuf, BuildError> {
        if regular_file(&self.path).is_some() {
            return Ok(self.path.clone());
        }
        if let Some((path, _)) = self.in_cargo_target_folder(request, cancel) {
            return Ok(path);
        }
        let found: Vec<_> = self.before.keys().cloned().collect();
        let mut likely =
            if request.component_path.is_some() { Vec::new() } else { first_folder(&request.root, &found) };
        match (likely.len(), likely.pop()) {
            (1, Some(path)) => Ok(path),
            (_, Some(last)) => {
                likely.push(last);
                Err(BuildError::SeveralBuilt { candidates: likely })
            }
            (_, None) => Err(BuildError::NotBuilt { path: self.path.clone(), found }),
        }
    }

    /// Finds the component after the build `command` has succeeded.
    pub(crate) fn locate(
        &self,
        request: &BuildRequest,
        command: &str,
        cancel: &CancelToken,
    ) -> Result<PathBuf, BuildError> {
        if let Some(metadata) = regular_file(&self.path) {
            return self.fresh(request, command, self.path.clone(), &metadata);
        }
        if let Some((path, metadata)) = self.in_cargo_target_folder(request, cancel) {
            return self.fresh(request, command, path, &metadata);
        }
        let found: BTreeMap<_, _> = candidates(&request.root).collect();
        if request.component_path.is_some() {
            return Err(self.missing(command, found.into_keys().collect()));
        }
        let changed: Vec<_> = found
            .iter()
            .filter(|(path, now)| self.before.get(*path) != Some(now))
            .map(|(path, _)| path.clone())
            .collect();
        let mut likely = if changed.is_empty() { found.into_keys().collect() } else { changed };
        match (likely.len(), likely.pop()) {
            (1, Some(path)) => match regular_file(&path) {
                Some(metadata) => self.fresh(request, command, path, &metadata),
                None => Err(self.missing(command, Vec::new())),
            },
            (_, Some(last)) => {
                likely.push(last);
                Err(BuildError::Ambiguous { command: command.to_owned(), candidates: likely })
            }
            (_, None) => Err(self.missing(command, Vec::new())),
        }
    }

    fn fresh(
        &self,
        request: &BuildRequest,
        command: &str,
        path: PathBuf,
        metadata: &Metadata,
    ) -> Result<PathBuf, BuildError> {
        let Ok(modified) = metadata.modified() else { return Ok(path) };
        let untouched = match self.before.get(&path) {
            Some(before) => *before == Fingerprint::from(metadata),
            None => modified < self.started,
        };
        let newer = if untouched { sources::newer_than(&request.root, &path, modified, self.started) } else { None };
        match newer {
            Some(newer) => Err(BuildError::Stale { command: command.to_owned(), path, newer }),
            None => Ok(path),
        }
    }

    /// A configured `target/…` is meant for cargo, whose target folder may be elsewhere: in a workspace's root or where
    /// `CARGO_TARGET_DIR` says.
    fn in_cargo_target_folder(&self, request: &BuildRequest, cancel: &CancelToken) -> Option<(PathBuf, Metadata)> {
        let inside = request.component_path.as_ref()?.value().strip_prefix("target").ok()?.to_path_buf();
        let path = toolchain::cargo::target_folder(request, cancel)?.join(inside);
        regular_file(&path).map(|metadata| (path, metadata))
    }

    fn missing(&self, command: &str, found: Vec<PathBuf>) -> BuildError {
        BuildError::Missing { command: command.to_owned(), path: self.path.clone(), found }
    }
}

/// Replaces a file at once: a reader sees the old bytes or the new ones, and a crash leaves one of them.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let named = |err: io::Error| io::Error::new(err.kind(), format!("cannot write {}: {err}", path.display()));
    let mut file = tempfile::Builder::new().prefix(".wash-build-").tempfile_in(folder).map_err(named)?;
    file.write_all(bytes).map_err(named)?;
    if let Ok(metadata) = fs_err::metadata(path) {
        file.as_file().set_permissions(metadata.permissions()).map_err(named)?;
    }
    file.as_file().sync_all().map_err(named)?;
    file.persist(path).map_err(|err| named(err.error))?;
    Ok(())
}

/// A project's own configuration may be a stranger's: it may name files of the project, of the repository it stands in
/// and of cargo's target folder, but no others. A person's own flag or environment may name any file.
fn check_inside(request: &BuildRequest, path: &Path) -> Result<(), BuildError> {
    let Some(configured) = &request.component_path else { return Ok(()) };
    if configured.origin().file().is_none_or(|file| file.layer() != Layer::Project) {
        return Ok(());
    }
    let repository = request.root.ancestors().find(|folder| folder.join(".git").exists());
    let cargo_target = request.variable("CARGO_TARGET_DIR").map(|folder| normalize(&request.root.join(folder)));
    let allowed = [Some(request.root.as_path()), repository, cargo_target.as_deref()];
    if allowed.into_iter().flatten().any(|folder| path.starts_with(folder)) {
        return Ok(());
    }
    Err(BuildError::OutsideProject {
        path: path.to_path_buf(),
        origin: configured.origin().clone(),
        root: request.root.clone(),
    })
}

fn candidates(root: &Path) -> impl Iterator<Item = (PathBuf, Fingerprint)> {
    CONVENTIONAL_FOLDERS
        .iter()
        .filter_map(move |folder| fs_err::read_dir(root.join(folder)).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| regular_file(&path).map(|metadata| (path, Fingerprint::from(&metadata))))
}

/// The files in the first of the folders that has any.
fn first_folder(root: &Path, found: &[PathBuf]) -> Vec<PathBuf> {
    let in_folder = |folder: &&str| -> Vec<PathBuf> {
        let folder = root.join(folder).components().collect::<PathBuf>();
        found.iter().filter(|path| path.parent() == Some(folder.as_path())).cloned().collect()
    };
    CONVENTIONAL_FOLDERS.iter().map(in_folder).find(|files| !files.is_empty()).unwrap_or_default()
}

fn regular_file(path: &Path) -> Option<Metadata> {
    fs_err::metadata(path).ok().filter(Metadata::is_file)
}

/// Removes `.` and `..` by their spelling alone.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_by_spelling() {
        assert_eq!(normalize(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
        assert_eq!(normalize(Path::new("/a/../../b")), Path::new("/b"));
    }
}
