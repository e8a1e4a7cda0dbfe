//! Why a repository's files cannot be had.

use std::path::PathBuf;

use thiserror::Error;

use crate::Cause;

/// How many existing references an error names.
const MAX_SUGGESTED_REFERENCES: usize = 10;

/// Why a repository gives no files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A local folder that Git's objects cannot be read from.
    #[error("cannot open the repository `{}`", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
    /// The server says that there is no such repository.
    #[error("there is no repository at `{url}`")]
    NotFound {
        /// The URL, without credentials.
        url: String,
    },
    /// The server wants to know who asks. Popular servers say so of repositories that do not exist, too.
    #[error("the repository `{url}` does not exist, or needs a login")]
    AccessDenied {
        /// The URL, without credentials.
        url: String,
    },
    /// The repository could not be fetched.
    #[error("cannot fetch `{url}`")]
    Fetch {
        /// The URL, without credentials.
        url: String,
        /// Why not.
        source: Cause,
    },
    /// A server that does not stop sending.
    #[error("`{url}` sends more than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The URL, without credentials.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// No branch, tag or commit has the name asked for.
    #[error("`{repository}` has no branch, tag or commit `{git_ref}`")]
    NoSuchReference {
        /// The repository.
        repository: String,
        /// The name asked for.
        git_ref: String,
        /// Branches and tags that exist, the most similar first; at most 10.
        existing: Vec<String>,
    },
    /// A repository without any commit.
    #[error("the repository `{repository}` has no commits yet")]
    NoCommits {
        /// The repository.
        repository: String,
    },
    /// An object that is missing or broken.
    #[error("cannot read the repository's objects")]
    Objects(#[source] Cause),
    /// The commit has no such folder.
    #[error("there is no folder `{}`", path.display())]
    NoSuchFolder {
        /// The folder's path in the repository.
        path: PathBuf,
    },
    /// A name that would leave its folder, which only a tree made by hand has.
    #[error("the repository holds the unsafe name `{}`", name.display())]
    UnsafeName {
        /// The name.
        name: PathBuf,
    },
    /// The temporary folder for a fetch cannot be used.
    #[error("cannot create a temporary folder")]
    TemporaryFolder(#[source] std::io::Error),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// The error about a reference that does not exist, with those of `existing` that resemble it most.
pub(crate) fn no_such_reference(repository: String, git_ref: &str, mut existing: Vec<String>) -> RepositoryError {
    existing.retain(|name| !name.chars().any(char::is_control));
    let distance = |name: &String| strsim::damerau_levenshtein(git_ref, name);
    existing.sort_by_cached_key(|name| (distance(name), name.clone()));
    existing.dedup();
    existing.truncate(MAX_SUGGESTED_REFERENCES);
    RepositoryError::NoSuchReference { repository, git_ref: git_ref.to_owned(), existing }
}
