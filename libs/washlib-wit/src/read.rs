//! Reads files that somebody else may have put into a project.
//!
//! Only regular files, and only so much of them: a pipe never ends, and a link may lead to a device that never ends either.

use std::io::{self, Read as _};
use std::path::Path;

use fs_err as fs;

/// The largest .wit file, in bytes.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// The largest package in its binary form, in bytes; registries give no larger ones either.
const MAX_PACKAGE: u64 = 64 * 1024 * 1024;

/// A .wit file.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is not UTF-8", path.display()));
    String::from_utf8(bounded(path, MAX_TEXT)?).map_err(not_text)
}

/// A .wit file in which what is no text does not matter.
pub(crate) fn lossy_text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&bounded(path, MAX_TEXT)?).into_owned())
}

/// A package in its binary form.
pub(crate) fn package(path: &Path) -> io::Result<Vec<u8>> {
    bounded(path, MAX_PACKAGE)
}

fn bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: that alone would wait for who writes to a pipe.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other(format!("`{}` is no regular file", path.display())));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("`{}` has more than {} MiB", path.display(), limit / (1024 * 1024))));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("good.wit"), "package a:b;").unwrap();
        assert_eq!(text(&path("good.wit")).unwrap(), "package a:b;");
        std::os::unix::fs::symlink("/dev/zero", path("zero.wit")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("pipe.wit")).status().unwrap().success());
        for name in ["zero.wit", "pipe.wit"] {
            let err = text(&path(name)).unwrap_err().to_string();
            assert!(err.contains(name) && err.contains("no regular file"), "{err}");
        }
        std::fs::File::create(path("large.wit")).unwrap().set_len(MAX_TEXT + 1).unwrap();
        assert!(text(&path("large.wit")).unwrap_err().to_string().contains("16 MiB"));
        std::fs::write(path("binary.wit"), [0xff]).unwrap();
        assert!(text(&path("binary.wit")).unwrap_err().to_string().contains("not UTF-8"));
        assert_eq!(lossy_text(&path("binary.wit")).unwrap(), "\u{fffd}");
    }
}
