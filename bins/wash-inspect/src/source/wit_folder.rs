//! A folder of WIT, with what it depends on in `deps`.
//!
//! Bounds everything that the parser will meet, because it reads these files itself.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use washlib_component::{
    DecodeError, Decoded, Kind, LimitError, Root, UnexpectedError, WitBounds, decode, guarded, identify,
};
use wit_parser::Resolve;

use super::Features;

/// The largest file of a folder, in bytes. All of WASI 0.2 has about 400 kB.
const MAX_FILE: u64 = 16 << 20;
/// The most that the files of a folder may have together, in bytes.
const MAX_FOLDER: u64 = 64 << 20;

/// What is wrong with a folder of WIT.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum WitError {
    #[error("{0}")]
    Malformed(String),
    #[error("{} is no regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} has more than {MAX_FILE} bytes", path.display())]
    FileTooLarge { path: PathBuf },
    #[error("with {}, its files have more than {MAX_FOLDER} bytes", path.display())]
    FolderTooLarge { path: PathBuf },
    #[error("{} goes beyond what is read", path.display())]
    Limit { path: PathBuf, source: LimitError },
    #[error("{} is no WIT package that can be read", path.display())]
    Package { path: PathBuf, source: Box<DecodeError> },
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Unexpected(#[from] UnexpectedError),
}

/// Whether a folder's own files are WIT.
pub(crate) fn holds_wit(folder: &Path) -> bool {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| extension(&path) == "wit")
}

/// Reads a folder.
pub(crate) fn wit_folder(folder: &Path, features: Features) -> Result<Decoded, WitError> {
    let mut bounds = Bounds::default();
    bounds.folder(folder, &["wit"])?;
    let deps = folder.join("deps");
    if deps.is_dir() {
        bounds.folder(&deps, &["wit", "wat", "wasm"])?;
        for entry in fs_err::read_dir(&deps)?.flatten() {
            if entry.path().is_dir() {
                bounds.folder(&entry.path(), &["wit"])?;
            }
        }
    }
    guarded(|| {
        let mut resolve = Resolve { all_features: features == Features::All, ..Resolve::default() };
        match resolve.push_dir(folder) {
            Ok((package, _)) => Ok(Decoded { resolve, root: Root::Package(package) }),
            Err(err) => Err(WitError::Malformed(resolve.render_error(&err))),
        }
    })?
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// What has been met so far.
#[derive(Default)]
struct Bounds {
    wit: WitBounds,
    total: u64,
}

impl Bounds {
    fn folder(&mut self, folder: &Path, extensions: &[&str]) -> Result<(), WitError> {
        let mut paths: Vec<_> = fs_err::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        // In order, so that of several errors it is always the same.
        paths.sort();
        paths.iter().filter(|path| extensions.contains(&extension(path))).try_for_each(|path| self.file(path))
    }

    fn file(&mut self, path: &Path) -> Result<(), WitError> {
        let metadata = fs_err::metadata(path)?;
        if metadata.is_dir() {
            return Ok(());
        }
        // A pipe would be waited for, and a device may have no end.
        if !metadata.is_file() {
            return Err(WitError::NotAFile { path: path.to_owned() });
        }
        if metadata.len() > MAX_FILE {
            return Err(WitError::FileTooLarge { path: path.to_owned() });
        }
        self.total += metadata.len();
        if self.total > MAX_FOLDER {
            return Err(WitError::FolderTooLarge { path: path.to_owned() });
        }
        let bytes = fs_err::read(path)?;
        // The parser goes by what a file holds, and not by its name.
        if extension(path) == "wasm" || identify(&bytes) == Ok(Kind::Component) {
            let decoded = decode(&bytes);
            return decoded
                .map(drop)
                .map_err(|source| WitError::Package { path: path.to_owned(), source: Box::new(source) });
        }
        let limited = self.wit.add(&String::from_utf8_lossy(&bytes));
        limited.map_err(|source| WitError::Limit { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_folder_are_bounded_together() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5 {
            let file = fs_err::File::create(folder.path().join(format!("{number}.wit"))).unwrap();
            file.set_len(MAX_FILE).unwrap();
        }
        let err = wit_folder(folder.path(), Features::Stable).unwrap_err();
        assert!(matches!(&err, WitError::FolderTooLarge { path } if path.ends_with("4.wit")), "{err}");
    }
}
