//! Files of Git repositories: fetched into a temporary folder or read where they are, without the `git` program.
//!
//! No worktree is checked out, no hook, filter or credential helper runs, no user's configuration counts; only `ssh` URLs
//! start a program, which is `ssh`. What becomes of the files is the caller's business.

mod cause;
mod error;
mod fetch;
mod fetch_progress;
mod objects;
mod repository_url;

pub use cause::{Cause, without_control_characters};
pub use error::RepositoryError;
pub use fetch::fetch;
pub use fetch_progress::{FetchProgress, SilentProgress};
pub use objects::{BlobId, Objects, TreeEntry, TreeEntryKind, open_local};
pub use repository_url::{RepositoryUrl, UrlError};

/// How many bytes the files of a repository may hold together.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
