//! Writes a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file was not written. What stood there before still does.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum OutputError {
    /// A folder.
    #[error("{} is a folder; name a file in it", .0.display())]
    Folder(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Writes what `content` gives, beside the file first.
pub(crate) fn write(path: &Path, mut content: impl Read) -> Result<u64, OutputError> {
    if path.is_dir() {
        return Err(OutputError::Folder(path.to_owned()));
    }
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    // A link stays one.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".wash-oci-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    let length = io::copy(&mut content, temporary.as_file_mut()).map_err(failed)?;
    temporary.as_file().sync_data().map_err(failed)?;
    temporary.persist(&target).map_err(|err| failed(err.error))?;
    Ok(length)
}

/// Writes a new file for its owner alone; an error where there is one already.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), OutputError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    let mut file: File = File::options().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}
