//! Where a project keeps its WIT: the folder of its sources, `deps` in it, the lock and the manifest.
//!
//! Reads files; changes nothing. Symbolic links are followed, as wit-parser follows them.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;
use wit_parser::{SourceMap, UnresolvedPackageGroup};

use crate::lock::LOCK_FILE_NAME;
use crate::manifest::MANIFEST_FILE_NAME;
use crate::references::{Scan, scan};
use crate::{LockError, ManifestError, PackageId};

/// Why a project's files cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// There is no folder with sources.
    #[error("there is no WIT folder `{}`", path.display())]
    NoWitDir {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The folder has no .wit files.
    #[error("there are no .wit files in `{}`", path.display())]
    NoSources {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read the project's WIT")]
    Read(#[source] io::Error),
    /// A source is no valid WIT.
    #[error("{message}")]
    Syntax {
        /// What is wrong, with the file, the line and a caret.
        message: String,
    },
    /// The lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// A project's paths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitProject {
    root: PathBuf,
    wit_dir: PathBuf,
}

impl WitProject {
    /// The project in `root` whose sources are in `wit_dir`, relative to it.
    pub fn new(root: &Path, wit_dir: &Path) -> Self {
        // `./wit` and `wit/` are shown as `wit`.
        let wit_dir: PathBuf = wit_dir.components().filter(|part| *part != std::path::Component::CurDir).collect();
        Self { root: root.to_owned(), wit_dir: root.join(wit_dir) }
    }

    /// The project's folder, which holds the lock and the manifest.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the sources.
    pub fn wit_dir(&self) -> &Path {
        &self.wit_dir
    }

    /// The folder of the dependencies.
    pub fn deps_dir(&self) -> PathBuf {
        self.wit_dir.join("deps")
    }

    /// The lock.
    pub fn lock_path(&self) -> PathBuf {
        self.root.join(LOCK_FILE_NAME)
    }

    /// The manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join(MANIFEST_FILE_NAME)
    }

    /// A path as a person in the project knows it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Whether there are sources at all.
    pub fn has_sources(&self) -> bool {
        wit_files(&self.wit_dir).is_ok_and(|files| !files.is_empty())
    }

    /// Reads the sources.
    ///
    /// # Errors
    ///
    /// When there are none, or they cannot be read.
    pub fn sources(&self) -> Result<WitSources, ProjectError> {
        if !self.wit_dir.is_dir() {
            return Err(ProjectError::NoWitDir { path: self.wit_dir.clone() });
        }
        let mut files = Vec::new();
        for path in wit_files(&self.wit_dir).map_err(ProjectError::Read)? {
            let text = crate::read::text(&path).map_err(ProjectError::Read)?;
            files.push(SourceFile { shown: self.shown(&path), path, original: text.clone(), text });
        }
        if files.is_empty() {
            return Err(ProjectError::NoSources { path: self.wit_dir.clone() });
        }
        Ok(WitSources { files })
    }
}

/// The .wit files right in a folder, in the order of their names.
pub(crate) fn wit_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wit") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A project's own .wit files, with the edits that were made to them so far.
#[derive(Clone, Debug)]
pub struct WitSources {
    pub(crate) files: Vec<SourceFile>,
}

/// A .wit file.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    /// The path in messages.
    pub(crate) shown: String,
    /// What is on disk.
    pub(crate) original: String,
    /// What shall be on disk.
    pub(crate) text: String,
}

impl WitSources {
    /// Parses the sources as one package group.
    ///
    /// # Errors
    ///
    /// When they are no valid WIT.
    pub(crate) fn parse(&self) -> Result<UnresolvedPackageGroup, ProjectError> {
        let files = self.files.iter().map(|file| (file.shown.as_str(), file.text.as_str()));
        parse(files).map_err(|message| ProjectError::Syntax { message })
    }

    /// What each file names.
    pub(crate) fn scans(&self) -> Vec<(&SourceFile, Scan)> {
        self.files.iter().map(|file| (file, scan(&file.text))).collect()
    }

    /// The files whose text is not the one on disk.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.text != file.original)
    }

    /// Every package that the sources refer to, with the places: file and line.
    pub fn references(&self) -> Vec<SourceReference> {
        let mut references = Vec::new();
        for (file, scan) in self.scans() {
            for reference in scan.references {
                let line = crate::edit::line_of(&file.text, reference.start);
                references.push(SourceReference {
                    package: reference.package,
                    item: reference.item,
                    file: file.shown.clone(),
                    line,
                });
            }
        }
        references
    }
}

/// A place in the sources that refers to a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceReference {
    /// The package.
    pub package: PackageId,
    /// The interface or world of it.
    pub item: String,
    /// The file, relative to the project.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Parses files of one package group; the error is ready to be shown.
pub(crate) fn parse<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<UnresolvedPackageGroup, String> {
    let mut map = SourceMap::default();
    for (path, text) in files {
        map.push_str(path, text);
    }
    map.parse().map_err(|(map, err)| err.render(&map))
}

/// The packages of a group that come from outside of it, once each.
pub(crate) fn foreign_packages(group: &UnresolvedPackageGroup) -> Vec<PackageId> {
    let own: Vec<PackageId> = own_packages(group);
    let packages = std::iter::once(&group.main).chain(&group.nested);
    let foreign = packages.flat_map(|package| package.foreign_deps.keys()).map(PackageId::from);
    let mut foreign: Vec<PackageId> = foreign.filter(|package| !own.contains(package)).collect();
    foreign.sort();
    foreign.dedup();
    foreign
}

/// The packages that a group defines, the main one first.
pub(crate) fn own_packages(group: &UnresolvedPackageGroup) -> Vec<PackageId> {
    std::iter::once(&group.main).chain(&group.nested).map(|package| PackageId::from(&package.name)).collect()
}
