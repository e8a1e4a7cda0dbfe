//! What a SOURCE on the command line is: a component, a project, a file of documents, or a reference in a registry.
//!
//! Tells them apart; builds and starts nothing.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;
use wash_runtime::oci::client::{Reference, ReferenceError};
use washlib_component::InvalidError;
use washlib_config::Project;

use crate::startable::documents_in;

/// What every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// What a SOURCE is.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file that is a component by its first bytes, or claims to be one by its name.
    Component(PathBuf),
    /// A project's folder.
    Project(PathBuf),
    /// Files of Kubernetes documents.
    Documents(Vec<PathBuf>),
    /// A component in a registry.
    Registry(Reference),
}

/// Why a SOURCE is none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    #[error("there is no file or folder {}", path.display())]
    NotFound { path: PathBuf },
    #[error("`{text}` is neither a file nor a reference in a registry")]
    Reference { text: String, source: ReferenceError },
    #[error("{} is neither a component nor a file of documents", path.display())]
    Unknown { path: PathBuf },
    #[error("{} is not a regular file", path.display())]
    NotRegular { path: PathBuf },
    #[error("{} is not a component", path.display())]
    NotAComponent { path: PathBuf, source: InvalidError },
    #[error("cannot read the source")]
    Read(#[source] io::Error),
}

impl Source {
    /// Looks at what a path names.
    pub(crate) fn find(path: &Path) -> Result<Self, SourceError> {
        let metadata = match fs_err::metadata(path) {
            Ok(metadata) => metadata,
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return missing(path);
            }
            Err(err) => return Err(SourceError::Read(err)),
        };
        if metadata.is_dir() {
            return Self::of_folder(path);
        }
        // Devices and pipes may never end.
        if !metadata.is_file() {
            return Err(SourceError::NotRegular { path: path.to_owned() });
        }
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml" | "json") => Ok(Self::Documents(vec![path.to_owned()])),
            Some("wasm") => Ok(Self::Component(path.to_owned())),
            _ if has_magic(path).map_err(SourceError::Read)? => Ok(Self::Component(path.to_owned())),
            _ => Err(SourceError::Unknown { path: path.to_owned() }),
        }
    }
}

impl Source {
    /// A folder that is a project's own is that project; one with documents is these; any other is in a project.
    fn of_folder(path: &Path) -> Result<Self, SourceError> {
        let is_project =
            Project::open(path).is_ok_and(|project| project.config_file().is_some() || !project.manifests().is_empty());
        let documents = if is_project { Vec::new() } else { documents_in(path).map_err(SourceError::Read)? };
        Ok(if documents.is_empty() { Self::Project(path.to_owned()) } else { Self::Documents(documents) })
    }
}

fn has_magic(path: &Path) -> io::Result<bool> {
    use io::Read as _;
    let mut start = Vec::new();
    fs_err::File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// A path that leads nowhere may be meant as a reference.
fn missing(path: &Path) -> Result<Source, SourceError> {
    match path.to_str().filter(|text| Reference::is_likely(text)) {
        Some(text) => text
            .parse()
            .map(Source::Registry)
            .map_err(|source| SourceError::Reference { text: text.to_owned(), source }),
        None => Err(SourceError::NotFound { path: path.to_owned() }),
    }
}

/// The component in a file.
pub(crate) fn read_component(path: &Path) -> Result<Bytes, SourceError> {
    let metadata = fs_err::metadata(path).map_err(SourceError::Read)?;
    if !metadata.is_file() {
        return Err(SourceError::NotRegular { path: path.to_owned() });
    }
    let not_a_component = |source| SourceError::NotAComponent { path: path.to_owned(), source };
    washlib_component::check_length(metadata.len()).map_err(not_a_component)?;
    fs_err::read(path).map(Bytes::from).map_err(SourceError::Read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn what_is_no_file_may_be_a_reference() {
        assert!(matches!(Source::find(Path::new("ghcr.io/me/hello:1")), Ok(Source::Registry(_))));
        assert!(matches!(Source::find(Path::new("ghcr.io/Me/hello:1")), Err(SourceError::Reference { .. })));
        assert!(matches!(Source::find(Path::new("ghcr.io/me/hello.wasm")), Err(SourceError::NotFound { .. })));
    }
}
