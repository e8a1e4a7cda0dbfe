//! What counts as a source, as the keys `dev.watch` and `dev.ignore` say it.
//!
//! It looks for no sources; which of the files they are is for [`crate::rules`] to say.

use std::path::{Component, Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;
use washlib_config::{Config, Project, Sourced};

use super::SettingsError;

/// What counts as a source.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watching {
    /// The files and folders that count, absolute; none stand for the whole project.
    pub(crate) only: Vec<PathBuf>,
    /// What does not count, as lines of a `.gitignore`.
    pub(crate) ignore: Vec<String>,
    /// Folders that the guests write to, which are no reason to build.
    pub(crate) data: Vec<PathBuf>,
}

impl Watching {
    pub(super) fn new(project: &Project, config: &Config) -> Result<Self, SettingsError> {
        let dev = &config.dev;
        let volumes = dev.volumes.iter().flat_map(|volumes| volumes.value()).map(|volume| volume.host_path.value());
        let data = [&dev.wasi_keyvalue_path, &dev.wasi_blobstore_path];
        let data = data.into_iter().flatten().map(Sourced::value).chain(volumes).map(|path| found(project, path));
        Ok(Self {
            only: dev.watch.as_ref().map(|paths| places(project, paths)).transpose()?.unwrap_or_default(),
            ignore: dev.ignore.as_ref().map(|lines| patterns(project, lines)).transpose()?.unwrap_or_default(),
            // Who mounts the project itself still wants it built.
            data: data.filter(|folder| !project.root().starts_with(folder)).collect(),
        })
    }
}

fn places(project: &Project, paths: &Sourced<Vec<PathBuf>>) -> Result<Vec<PathBuf>, SettingsError> {
    let place = |(index, path): (usize, &PathBuf)| {
        // A path may come to be later, and names with such characters exist.
        let is_pattern = path.to_str().is_some_and(|path| path.contains(['*', '?']));
        if is_pattern && !project.resolve(path).exists() {
            let origin = paths.origin().clone();
            return Err(SettingsError::WatchPattern { path: path.clone(), index, origin });
        }
        Ok(found(project, path))
    };
    paths.value().iter().enumerate().map(place).collect()
}

fn patterns(project: &Project, lines: &Sourced<Vec<String>>) -> Result<Vec<String>, SettingsError> {
    for (index, line) in lines.value().iter().enumerate() {
        if let Err(err) = GitignoreBuilder::new(project.root()).add_line(None, line) {
            let reason = match err {
                ignore::Error::Glob { err, .. } => err,
                err => err.to_string(),
            };
            let (pattern, origin) = (line.clone(), lines.origin().clone());
            return Err(SettingsError::IgnorePattern { pattern, index, origin, reason });
        }
    }
    Ok(lines.value().clone())
}

/// A path as the system tells of changes in it: without links and detours.
fn found(project: &Project, path: &Path) -> PathBuf {
    let path = project.resolve(path);
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}
