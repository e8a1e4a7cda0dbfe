//! Writes a file whole or not at all, and devices and pipes as the bytes come.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use thiserror::Error;

/// Bytes that are written at a time.
const CHUNK: usize = 256 << 10;

/// Why a file was not written. What stood there before still does.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum OutputError {
    /// A folder.
    #[error("{} is a folder; name a file in it", .0.display())]
    Folder(PathBuf),
    /// A terminal.
    #[error("a component is not written to a terminal, which {} is", .0.display())]
    Terminal(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A file on its way: beside its place until it is whole, and removed when it is dropped before.
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// As it was named.
    path: PathBuf,
    /// Where it will stand. A link stays one.
    target: PathBuf,
    temporary: NamedTempFile,
}

impl OutputFile {
    /// An empty one.
    pub(crate) fn create(path: &Path) -> Result<Self, OutputError> {
        if path.is_dir() {
            return Err(OutputError::Folder(path.to_owned()));
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".wash-oci-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|source| OutputError::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), target, temporary })
    }

    /// A handle for who fills it.
    pub(crate) fn share(&self) -> Result<Arc<File>, OutputError> {
        self.temporary.as_file().try_clone().map(Arc::new).map_err(|source| self.failed(source))
    }

    /// Writes what `content` gives.
    pub(crate) fn fill(&mut self, mut content: impl Read) -> Result<(), OutputError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = content.read(&mut buffer).map_err(|source| self.failed(source))?;
            if read == 0 {
                return Ok(());
            }
            self.temporary.write_all(&buffer[..read]).map_err(|source| self.failed(source))?;
        }
    }

    /// Puts it into its place, in the place of what was there.
    pub(crate) fn publish(self) -> Result<(), OutputError> {
        self.temporary.as_file().sync_data().map_err(|source| self.failed(source))?;
        let Self { path, target, temporary } = self;
        temporary.persist(&target).map(drop).map_err(|err| OutputError::Write { path, source: err.error })
    }

    fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Write { path: self.path.clone(), source }
    }
}

/// Whether something stands at a path that is neither a file nor a folder, such as a pipe. A file in its place would be
/// no use to who reads from it.
pub(crate) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Whether a path is a name of standard output, which may be a file that the shell goes on to write to.
pub(crate) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Writes what `content` gives to what is there already. A pipe is waited for until somebody reads from it.
pub(crate) fn write_special(path: &Path, mut content: impl Read) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    let mut target = File::options().write(true).open(path).map_err(failed)?;
    if target.is_terminal() {
        return Err(OutputError::Terminal(path.to_owned()));
    }
    io::copy(&mut content, &mut target).map(drop).map_err(failed)
}

/// Writes a new file for its owner alone; an error where there is one already.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), OutputError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    let mut file: File = File::options().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}
