//! Finds the project that a folder belongs to: its root, its configuration file and its toolchain manifests.
//!
//! Looks at names only; reads no file's content and never looks below the start folder.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Names of a configuration file, in the order in which they are looked for.
pub(crate) const CONFIG_FILE_NAMES: [&str; 4] = ["config.yaml", "config.yml", "config.json", "config.toml"];

/// The folder in a project's root that holds its configuration.
const CONFIG_FOLDER: &str = ".wash";

/// Why no project was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// Neither the folder nor any above it is a project.
    #[error("no project found in {} or above it", start.display())]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// A folder on the way cannot be looked into.
    #[error("cannot look for a project in {}", folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// A toolchain's manifest, as a sign of how a project is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ManifestKind {
    /// `Cargo.toml`.
    Cargo,
    /// `package.json`.
    Npm,
    /// `go.mod`.
    Go,
    /// `pyproject.toml` or `requirements.txt`.
    Python,
    /// `GNUmakefile`, `makefile` or `Makefile`.
    Make,
}

impl ManifestKind {
    /// Every manifest with the file names it goes by. Make comes last: beside another manifest it is a shortcut to it.
    const FILE_NAMES: [(Self, &'static str); 8] = [
        (Self::Cargo, "Cargo.toml"),
        (Self::Npm, "package.json"),
        (Self::Go, "go.mod"),
        (Self::Python, "pyproject.toml"),
        (Self::Python, "requirements.txt"),
        // GNU make's own order.
        (Self::Make, "GNUmakefile"),
        (Self::Make, "makefile"),
        (Self::Make, "Makefile"),
    ];
}

/// The toolchain's name, such as `cargo`.
impl fmt::Display for ManifestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Go => "go",
            Self::Python => "python",
            Self::Make => "make",
        })
    }
}

/// A project on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    root: PathBuf,
    name: String,
    config_files: Vec<PathBuf>,
    manifests: Vec<(ManifestKind, PathBuf)>,
}

impl Project {
    /// The project that `start` is in: the nearest folder, from `start` upwards, with a `.wash/config.*`; without any,
    /// the nearest with a manifest of a known toolchain. A configuration file higher up beats a manifest nearer by, so
    /// that the crates of a workspace belong to the project that the workspace is.
    ///
    /// Symbolic links in `start` are resolved first: "above" means above the folder itself, not above the link.
    ///
    /// # Errors
    ///
    /// When there is no such folder, or `start` or a folder above it cannot be looked into.
    pub fn discover(start: &Path) -> Result<Self, DiscoverError> {
        let unreadable = |folder: &Path, source| DiscoverError::Unreadable { folder: folder.to_owned(), source };
        // The standard library's call: the error names the folder itself.
        let start = std::fs::canonicalize(start).map_err(|err| unreadable(start, err))?;
        let mut with_manifest = None;
        for folder in start.ancestors() {
            let project = Self::look_into(folder).map_err(|err| unreadable(folder, err))?;
            if !project.config_files.is_empty() {
                return Ok(project);
            }
            if with_manifest.is_none() && !project.manifests.is_empty() {
                with_manifest = Some(project);
            }
        }
        with_manifest.ok_or(DiscoverError::NotFound { start })
    }

    /// The folder `root` as a project, whatever it holds and whatever is above it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be looked into.
    pub fn open(root: &Path) -> Result<Self, DiscoverError> {
        let unreadable = |source| DiscoverError::Unreadable { folder: root.to_owned(), source };
        let folder = std::fs::canonicalize(root).map_err(unreadable)?;
        Self::look_into(&folder).map_err(unreadable)
    }

    fn look_into(folder: &Path) -> io::Result<Self> {
        let mut manifests = Vec::new();
        for (kind, file_name) in ManifestKind::FILE_NAMES {
            let path = folder.join(file_name);
            if exists(&path)? {
                manifests.push((kind, path));
            }
        }
        Ok(Self {
            root: folder.to_owned(),
            name: folder.file_name().unwrap_or(OsStr::new("project")).to_string_lossy().into_owned(),
            config_files: find_config_files(&folder.join(CONFIG_FOLDER))?,
            manifests,
        })
    }

    /// The project's folder, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the project's folder; characters that are not Unicode are replaced.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration file that counts.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_files.first().map(PathBuf::as_path)
    }

    /// Configuration files that do not count, because another one beside them comes first.
    pub fn ignored_config_files(&self) -> &[PathBuf] {
        self.config_files.get(1..).unwrap_or_default()
    }

    /// The manifest in the root that says most about how to build the project.
    pub fn manifest(&self) -> Option<ManifestKind> {
        self.manifests.first().map(|(kind, _)| *kind)
    }

    /// Every known manifest in the root with its path, the most telling first.
    pub fn manifests(&self) -> &[(ManifestKind, PathBuf)] {
        &self.manifests
    }

    /// A path as the configuration means it: a relative one starts at the root.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

/// The configuration files in `folder`, the one that counts first.
pub(crate) fn find_config_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file_name in CONFIG_FILE_NAMES {
        let path = folder.join(file_name);
        if exists(&path)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a name exists. A dangling link does: reading it later is an error that names it, where passing over it would
/// quietly use another configuration.
fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(err) => Err(err),
    }
}
