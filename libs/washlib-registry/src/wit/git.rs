//! Takes the .wit files out of a commit of a Git repository.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use thiserror::Error;
use washlib_git::{FetchProgress, RepositoryError, RepositoryUrl, TreeEntryKind, UrlError};
use washlib_wit::TextFile;

/// How many bytes of .wit files a commit may hold.
const MAX_TEXT: u64 = 64 * 1024 * 1024;

/// Folders that hold no sources of packages.
const SKIPPED_FOLDERS: [&str; 2] = ["node_modules", "target"];

/// Why a repository gives no files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum GitError {
    #[error(transparent)]
    Url(UrlError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("the commit holds more than {} MiB of .wit files", MAX_TEXT / (1024 * 1024))]
    TooLarge,
    #[error("`{path}` in the commit is no text")]
    NotText { path: String },
}

/// The .wit files below `subfolder` of a commit, and the commit.
pub(super) fn text_files(
    url: &str,
    reference: Option<&str>,
    subfolder: Option<&str>,
    progress: &dyn FetchProgress,
    interrupted: &AtomicBool,
) -> Result<(Vec<TextFile>, String), GitError> {
    let shown = washlib_wit::without_credentials(url);
    let objects = match url.strip_prefix("file://") {
        Some(path) => washlib_git::open_local(Path::new(path), reference)?,
        None => {
            let url = RepositoryUrl::parse(url, &shown).map_err(GitError::Url)?;
            washlib_git::fetch(&url, reference, progress, interrupted)?
        }
    };
    let mut files = Vec::new();
    let mut kept = 0;
    objects.walk(Path::new(subfolder.unwrap_or_default()), |entry| {
        let path = entry.path.to_string_lossy().into_owned();
        match entry.kind {
            TreeEntryKind::Folder => {
                let name = path.rsplit('/').next().unwrap_or_default();
                return Ok(!SKIPPED_FOLDERS.contains(&name));
            }
            TreeEntryKind::File { id, .. } if path.ends_with(".wit") => {
                kept += objects.size(id)?;
                if kept > MAX_TEXT {
                    return Err(GitError::TooLarge);
                }
                let bytes = objects.read_blob(id).map_err(RepositoryError::Objects)?;
                let text = String::from_utf8(bytes).map_err(|_| GitError::NotText { path: path.clone() })?;
                files.push(TextFile { path, text });
            }
            // Links are not followed: a package has no need of them.
            _ => {}
        }
        Ok(true)
    })?;
    Ok((files, objects.commit()))
}
