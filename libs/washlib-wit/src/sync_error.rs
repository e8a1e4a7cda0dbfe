//! Why sources, lock and `wit/deps` could not be brought into agreement.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::{Digest, NameError, ProjectError, SourceError};

/// Why a synchronisation failed. Then nothing has changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The project's own files are at fault.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A package could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The root of a workspace has no WIT of its own.
    #[error("`{}` is the manifest of a workspace", path.display())]
    Workspace {
        /// The manifest.
        path: PathBuf,
    },
    /// The content says that it is another package.
    #[error("`{asked}` was asked for, but {origin} gave `{found}`")]
    WrongPackage {
        /// The package asked for.
        asked: String,
        /// The name in the content.
        found: String,
        /// Where it came from.
        origin: String,
    },
    /// The content is no WIT package.
    #[error("{origin} gave something else than the WIT package `{package}`")]
    NotAPackage {
        /// The package asked for.
        package: String,
        /// Where it came from.
        origin: String,
        /// What is wrong with the content.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The lock names another content than there is.
    #[error("the lock says that `{package}` has the digest {locked}, but {holder} {found}")]
    LockMismatch {
        /// The package with its version.
        package: String,
        /// The digest in the lock.
        locked: Digest,
        /// Who has another content, with a verb, such as "`registry.example` gave".
        holder: String,
        /// The digest of what there is.
        found: Digest,
    },
    /// The lock must not change, but would have to.
    #[error("the lock is not up to date: {}", changes.join(", "))]
    LockWouldChange {
        /// What would change.
        changes: Vec<String>,
    },
    /// Packages contradict each other.
    #[error("`{package}` contradicts what another package says about the same interfaces")]
    Conflict {
        /// The package.
        package: String,
        /// In wit-parser's words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Sources and dependencies do not fit together.
    #[error("{message}")]
    Invalid {
        /// What is wrong, with the place if one is known.
        message: String,
    },
    /// A name that stands somewhere it must not.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Files of the project cannot be changed.
    #[error("cannot change `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The lock has no text.
    #[error("cannot write the lock")]
    LockText(#[source] toml::ser::Error),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}
