//! The files that the project's parts are read from: what is in them, and whether it is whole.
//!
//! It judges no component; a file that is still being written is told from one that is wrong.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::images::Images;
use crate::settings::{PartSource, Plan};

/// The first bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// Magic and version.
const PREAMBLE: usize = 8;

/// A part that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ArtifactError {
    #[error("`{part}` is missing: there is no file {}", path.display())]
    Missing { part: String, path: PathBuf },
    #[error("cannot read `{part}`")]
    Read { part: String, source: io::Error },
}

/// Where a plan's parts are, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Artifacts {
    /// The part's name, and its place.
    parts: Vec<(String, Place)>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    File(PathBuf),
    /// It does not change.
    Here(Bytes),
}

impl Artifacts {
    /// The parts of a plan, the main one being where the build has left it. All images must have been pulled.
    pub(crate) fn new(plan: &Plan, built: &Path, images: &Images) -> Self {
        let place = |source: &PartSource| match source {
            PartSource::Build => Place::File(built.to_path_buf()),
            PartSource::File(path) => Place::File(path.clone()),
            PartSource::Image(image) => Place::Here(images.get(image).cloned().unwrap_or_default()),
        };
        Self { parts: plan.parts.iter().map(|part| (part.name.clone(), place(&part.source))).collect() }
    }

    /// Where the files are.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|(_, place)| match place {
            Place::File(path) => Some(path.as_path()),
            Place::Here(_) => None,
        })
    }

    /// Reads them all. One whose content is as in `before` shares its bytes, so that nothing looks at them again.
    pub(crate) fn read(&self, before: &[Bytes]) -> Result<Vec<Bytes>, ArtifactError> {
        let mut read = Vec::with_capacity(self.parts.len());
        for (part, place) in &self.parts {
            let path = match place {
                Place::File(path) => path,
                Place::Here(bytes) => {
                    read.push(bytes.clone());
                    continue;
                }
            };
            let bytes = read_file(path).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ArtifactError::Missing { part: part.clone(), path: path.clone() },
                _ => ArtifactError::Read { part: part.clone(), source },
            })?;
            let known = before.iter().find(|known| known[..] == bytes[..]);
            read.push(known.cloned().unwrap_or_else(|| Bytes::from(bytes)));
        }
        Ok(read)
    }
}

/// Reads a file. What is none, such as a pipe, would keep everybody waiting.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs_err::metadata(path)?.is_file() {
        let message = format!("{} is no file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    fs_err::read(path)
}

/// Whether a file looks like one that somebody is still writing: it begins like WebAssembly or not at all, and ends
/// within a section.
pub(crate) fn is_unfinished(bytes: &[u8]) -> bool {
    if bytes.len() < PREAMBLE {
        return MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]);
    }
    if !bytes.starts_with(MAGIC) {
        return false;
    }
    let mut rest = &bytes[PREAMBLE..];
    while let [_id, tail @ ..] = rest {
        let Some((size, header)) = length(tail) else { return true };
        match tail.get(header..).and_then(|tail| tail.get(size..)) {
            Some(next) => rest = next,
            None => return true,
        }
    }
    false
}

/// A number in LEB128, and how many bytes it takes. One that is too large stands for more than any file has.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).unwrap_or(usize::MAX), index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_at_the_end_of_a_section_alone() {
        let component = wat::parse_str(
            r#"(component (core module (memory 1) (data (i32.const 0) "text")) (import "a" (func)) (component))"#,
        )
        .unwrap();
        assert!(!is_unfinished(&component));
        let whole = (0..component.len()).filter(|end| !is_unfinished(&component[..*end])).count();
        // After the preamble, and after each section but the last.
        assert!(whole <= 8, "{whole}");
        assert!(is_unfinished(&component[..component.len() - 1]));
        assert!(is_unfinished(b""));
        assert!(is_unfinished(b"\0as"));
        assert!(!is_unfinished(b"this is a text file"));
        assert!(!is_unfinished(b"text"));
    }
}
