//! Writes a file at once: a reader sees the old content or the new, and a crash leaves one of them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use washlib_cli::{CommandError, Ui};

use crate::cli::Target;
use crate::command_error;
use crate::output::WrittenData;
use crate::source::Source;

/// Replaces or creates a file.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    write(path, bytes).map_err(|err| command_error::write(path, err))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The file that a link leads to is meant, and not the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().prefix(".wash-inspect-").permissions(permissions(path)?).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|err| err.error)?;
    Ok(())
}

/// Those of the file that is replaced; otherwise what the user's mask leaves.
fn permissions(path: &Path) -> io::Result<std::fs::Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.permissions()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(std::fs::Permissions::from_mode(0o666)),
        Err(err) => Err(err),
    }
}

/// Writes a changed binary where the command line says, and reports it.
pub(crate) fn deliver(
    source: &Source,
    bytes: &[u8],
    target: &Target,
    start: &Path,
    ui: &Ui,
) -> Result<(), CommandError> {
    let path: PathBuf = match (&target.to, target.in_place, &source.path) {
        (Some(path), _, _) if path.as_os_str() == "-" => {
            if ui.is_json() {
                return Err(CommandError::usage("a binary on standard output leaves no place for JSON"));
            }
            return ui.bytes(bytes);
        }
        (Some(path), _, _) => start.join(path),
        (None, true, Some(path)) => path.clone(),
        (None, true, None) => return Err(CommandError::usage(format!("{} is no file to replace", source.name))),
        (None, false, _) => return Err(command_error::no_target()),
    };
    replace(&path, bytes)?;
    let size_before = source.bytes().len() as u64;
    let data = WrittenData { path: Some(path.display().to_string()), size_before, size: bytes.len() as u64 };
    let message = format!("{} bytes, {} before", data.size, data.size_before);
    ui.status("Wrote", &format!("{} ({message})", path.display()));
    ui.result(&path.display().to_string(), &message, data)
}
