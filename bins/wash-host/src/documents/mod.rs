//! Kubernetes documents as a standalone host takes them: the very files that are applied to a cluster.
//!
//! Understands the kinds that make a workload. What only a cluster can do is said in a warning; what nobody knows is an
//! error.

mod error;
mod images;
mod object;
mod reader;
mod resolve;
mod spec;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use washlib_config::{Format, tree};

pub(crate) use self::error::DocumentError;
pub(crate) use self::images::{Later, RegistryImage};
pub(crate) use self::object::Documents;
use self::reader::{Field, Origin};
pub(crate) use self::resolve::Settings;

/// The largest file that is read, in bytes: some ten thousand documents, of which a cluster takes about one MiB each.
const MAX_FILE_SIZE: u64 = 32 * 1024 * 1024;

/// Something in a document that has no effect on this host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    origin: Origin,
    text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

/// Collects warnings, in the order in which their causes are read.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    fn push(&mut self, warning: Warning) {
        self.0.push(warning);
    }
}

impl Documents {
    /// Reads files, so that documents of one may refer to those of another.
    pub(crate) fn load(paths: &[PathBuf]) -> Result<Self, DocumentError> {
        let mut documents = Self::default();
        for path in paths {
            documents.read_text(path, &read_file(path)?)?;
        }
        Ok(documents)
    }

    fn read_text(&mut self, path: &Path, text: &str) -> Result<(), DocumentError> {
        let file: Arc<Path> = Arc::from(path);
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let format = if is_json { Format::Json } else { Format::Yaml };
        let trees = tree::parse_documents(format, text).map_err(|err| DocumentError::Syntax {
            origin: Origin::new(&file, err.location),
            column: err.location.column,
            reason: err.reason,
        })?;
        for tree in trees.iter().filter(|tree| !tree.is_null()) {
            self.add(&Field::document(&file, tree))?;
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<String, DocumentError> {
    let metadata = fs_err::metadata(path).map_err(DocumentError::Read)?;
    if metadata.len() > MAX_FILE_SIZE {
        return Err(DocumentError::TooLarge { path: path.to_owned(), limit: MAX_FILE_SIZE });
    }
    let bytes = fs_err::read(path).map_err(DocumentError::Read)?;
    String::from_utf8(bytes).map_err(|_| DocumentError::NotUtf8 { path: path.to_owned() })
}

/// Lower-case letters, digits, and hyphens between them; at most 63.
fn is_dns_label(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63
        && name.starts_with(is_plain)
        && name.ends_with(is_plain)
        && name.chars().all(|c| is_plain(c) || c == '-')
}

/// DNS labels with dots between them; at most 253 characters.
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests;
