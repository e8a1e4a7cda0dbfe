//! Logging in and out: keeping credentials where Docker keeps them.
//!
//! A helper is told where one is responsible; otherwise they are written, readable by their owner alone, into the file.
//! Everything else in the file stays as it is.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::docker_config::{AuthFileContent, server};
use super::helper::{self, HelperError};
use crate::reference::Repository;

/// Why credentials were not kept or forgotten.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be understood, so it is left alone.
    #[error("{} cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The helper could not do it.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

/// Where credentials are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stored {
    /// A helper keeps them.
    Helper(String),
    /// They stand in this file, readable by whoever can read it.
    File(PathBuf),
}

/// Keeps the credentials of a registry.
///
/// # Errors
///
/// When the file or the helper does not take them; nothing has changed then.
pub async fn store(
    file: &Path,
    registry: &Repository,
    user: &str,
    password: &Secret,
    helper_path: Option<&OsStr>,
    timeout: Duration,
) -> Result<Stored, StoreError> {
    let key = server(registry.registry());
    if let Some((helper, _)) = content(file)?.helper(registry) {
        helper::put(&helper, &key, user, password, helper_path, timeout).await?;
        // Docker lists here which registries its store knows.
        change(file, |auths| _ = auths.insert(key.clone(), json!({})))?;
        return Ok(Stored::Helper(helper));
    }
    let auth = STANDARD.encode(format!("{user}:{}", password.expose()));
    change(file, |auths| _ = auths.insert(key.clone(), json!({ "auth": auth })))?;
    Ok(Stored::File(file.to_owned()))
}

/// Forgets the credentials of a registry; whether there were any.
///
/// # Errors
///
/// When the file or the helper cannot be used.
pub async fn erase(
    file: &Path,
    registry: &Repository,
    helper_path: Option<&OsStr>,
    timeout: Duration,
) -> Result<bool, StoreError> {
    let key = server(registry.registry());
    let mut known = false;
    if let Some((helper, _)) = content(file)?.helper(registry) {
        known = helper::erase(&helper, &key, helper_path, timeout).await?;
    }
    if file.is_file() {
        let spellings = [key.clone(), registry.registry().to_owned(), format!("https://{}", registry.registry())];
        change(file, |auths| {
            for spelling in &spellings {
                known |= auths.remove(spelling).is_some();
            }
        })?;
    }
    Ok(known)
}

fn content(file: &Path) -> Result<AuthFileContent, StoreError> {
    let read = AuthFileContent::read(file).map_err(|reason| StoreError::File { path: file.to_owned(), reason })?;
    Ok(read.unwrap_or_default())
}

/// Changes the table `auths` of the file, which is made where there is none.
fn change(file: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<(), StoreError> {
    let wrong = |reason: &str| StoreError::File { path: file.to_owned(), reason: reason.to_owned() };
    let write = |source| StoreError::Write { path: file.to_owned(), source };
    let mut document = match std::fs::read(file) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => json!({}),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| wrong("it is no JSON"))?,
        Err(err) if err.kind() == io::ErrorKind::NotFound => json!({}),
        Err(err) => return Err(wrong(&err.to_string())),
    };
    let table = document.as_object_mut().ok_or_else(|| wrong("it is no JSON object"))?;
    let auths = table.entry("auths").or_insert_with(|| json!({}));
    edit(auths.as_object_mut().ok_or_else(|| wrong("`auths` is no JSON object"))?);
    let mut text = serde_json::to_string_pretty(&document).map_err(|err| wrong(&err.to_string()))?;
    text.push('\n');
    // A link, as from a folder of dotfiles, stays one.
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(write)?;
    // A temporary file is readable by its owner alone, and so is the file that it becomes.
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(write)?;
    temporary.write_all(text.as_bytes()).and_then(|()| temporary.as_file().sync_all()).map_err(write)?;
    temporary.persist(&target).map_err(|err| write(err.error))?;
    Ok(())
}
