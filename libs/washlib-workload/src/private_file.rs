//! Reads files of values: small, regular, and, where they hold secrets, for their owner's eyes alone.
//!
//! What is checked is the open file, so that nobody can exchange it between the look and the reading. No content stands
//! in an error.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::ValueError;

/// The largest file of values, in bytes.
const LARGEST: u64 = 1 << 20;

/// Who may read a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Confidentiality {
    /// Anybody.
    Open,
    /// Its owner alone, who is the one who runs this program, or root.
    Private,
}

/// The text of a file.
pub(crate) fn read(path: &Path, confidentiality: Confidentiality) -> Result<String, ValueError> {
    let file = open(path, confidentiality)?;
    let metadata = file.metadata().map_err(|source| read_error(path, source))?;
    if !metadata.is_file() {
        return Err(ValueError::NotAFile { path: path.to_owned() });
    }
    if confidentiality == Confidentiality::Private {
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ValueError::NotPrivate { path: path.to_owned(), mode });
        }
        let own = rustix::process::geteuid().as_raw();
        if metadata.uid() != own && metadata.uid() != 0 {
            return Err(ValueError::ForeignOwner { path: path.to_owned() });
        }
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|source| read_error(path, source))?;
    if bytes.len() as u64 > LARGEST {
        return Err(ValueError::TooLarge { path: path.to_owned(), limit: LARGEST });
    }
    String::from_utf8(bytes).map_err(|_| ValueError::NotUtf8 { path: path.to_owned() })
}

fn open(path: &Path, confidentiality: Confidentiality) -> Result<File, ValueError> {
    let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
    if confidentiality == Confidentiality::Private {
        flags |= OFlags::NOFOLLOW;
    }
    // Flags of `open` are small positive numbers on every platform.
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(flags).open(path).map_err(|source| {
        if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return ValueError::Link { path: path.to_owned() };
        }
        read_error(path, source)
    })
}

fn read_error(path: &Path, source: io::Error) -> ValueError {
    ValueError::Read { path: path.to_owned(), source }
}
