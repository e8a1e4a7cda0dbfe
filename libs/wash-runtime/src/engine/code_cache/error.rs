//! What can go wrong with a directory of compiled code as a whole.
//!
//! Trouble with a single entry is no error: the entry is recompiled.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a code cache could not be opened, listed or emptied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CodeCacheError {
    /// The directory could not be created or opened.
    #[error("cannot open the code cache {}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory belongs to somebody else, who could put any code into it.
    #[error("the code cache {} belongs to user {owner}, not to user {user} who runs this", path.display())]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// The number of the user that this process acts as.
        user: u32,
    },
    /// Users other than the owner may write to the directory, and could put any code into it.
    #[error("the code cache {} is writable by others (mode {mode:04o})", path.display())]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The secret that tells own entries from others' could not be read or made.
    #[error("cannot read the secret of the code cache {}", path.display())]
    Secret {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory's entries could not be listed.
    #[error("cannot list the code cache {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An entry could not be removed.
    #[error("cannot remove {} from the code cache", path.display())]
    Remove {
        /// The entry's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
