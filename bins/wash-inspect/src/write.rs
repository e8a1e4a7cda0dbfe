//! Writes a file at once: a reader sees the old content or the new, and a crash leaves one of them. Devices and pipes are
//! written to as they are.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use washlib_cli::{CommandError, Ui};

use crate::cli::Target;
use crate::command_error;
use crate::output::WrittenData;
use crate::source::Source;

/// Replaces or creates a file, or writes to the device or pipe that stands there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    write(path, bytes).map_err(|err| command_error::write(path, err))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A file in its place would be no use to who reads from it.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return write_special(path, bytes);
    }
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

fn write_special(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut target = std::fs::OpenOptions::new().write(true).open(path)?;
    if target.is_terminal() {
        return Err(io::Error::other("it is a terminal"));
    }
    target.write_all(bytes)
}

/// Whether a path is a name of standard output, which may be a file that the shell goes on to write to.
pub(crate) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
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
        (Some(path), _, _) if is_stdout(path) => {
            if ui.is_json() {
                return Err(CommandError::usage("a binary on standard output leaves no place for JSON"));
            }
            return ui.bytes(bytes);
        }
        (Some(path), _, _) => start.join(path),
        (None, true, Some(path)) if path.is_file() => path.clone(),
        (None, true, _) => return Err(CommandError::usage(format!("{} is no file to replace", source.name))),
        (None, false, _) => return Err(command_error::no_target()),
    };
    replace(&path, bytes)?;
    let size_before = source.bytes().len() as u64;
    let data = WrittenData { path: Some(path.display().to_string()), size_before, size: bytes.len() as u64 };
    let message = format!("{} bytes, {} before", data.size, data.size_before);
    ui.status("Wrote", &format!("{} ({message})", path.display()));
    ui.result(&path.display().to_string(), &message, data)
}
