//! Why configuration cannot be loaded, and what was odd about it when it could.
//!
//! Carries data; which exit code or colour goes with it is the binary's choice.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::node::Format;
use crate::origin::{Layer, Origin};

/// Why configuration cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read; the source names it.
    #[error("cannot read the {layer} configuration")]
    Read {
        /// Whose file it is.
        layer: Layer,
        /// The operating system's reason, with the path.
        source: io::Error,
    },
    /// A folder, a pipe or a device stands where the file should be.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// A file is larger than any configuration is.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// A file is not text.
    #[error("{} is not valid UTF-8: line {line} holds other bytes", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line, from 1, that is not UTF-8.
        line: usize,
    },
    /// A file's name does not tell its format.
    #[error("cannot tell the format of {} by its name", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A text is not what its format asks for.
    #[error("invalid {format} in {origin}{}: {reason}", column_of(origin))]
    Syntax {
        /// The format.
        format: Format,
        /// Where the parser noticed.
        origin: Origin,
        /// One clause.
        reason: String,
    },
    /// A key that no configuration has.
    #[error("unknown key `{key}` in {origin}")]
    UnknownKey {
        /// The whole path of the key, such as `build.comand`.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The known key that was probably meant; with its path when it belongs to another section.
        nearest: Option<String>,
        /// Every key that is known there.
        known: Vec<String>,
    },
    /// The same key twice in one table, in one spelling or in two.
    #[error("duplicate key `{key}` in {origin}: it is already set in {first}")]
    DuplicateKey {
        /// The whole path of the key.
        key: String,
        /// Where it stands the second time.
        origin: Origin,
        /// Where it stands the first time.
        first: Box<Origin>,
    },
    /// A value of another type than the key's.
    #[error("{} in {origin}: expected {expected}, found {found}", wrong_type(key))]
    WrongType {
        /// The whole path of the key; empty for the document itself.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// What the key takes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A value of the right type that the key does not know.
    #[error("invalid value `{value}` for `{key}` in {origin}: expected {expected}")]
    InvalidValue {
        /// The whole path of the key.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// The value as written.
        value: String,
        /// What the key takes.
        expected: String,
        /// The value that was probably meant.
        nearest: Option<String>,
    },
    /// A key that must be there.
    #[error("missing key `{key}` in {origin}")]
    MissingKey {
        /// The whole path of the key.
        key: String,
        /// Where the table begins that it belongs in.
        origin: Origin,
    },
}

impl ConfigError {
    /// What is likely to help, for a binary to print as a hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } | Self::InvalidValue { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Self::UnknownKey { known, .. } => Some(format!("known keys here: {}", known.join(", "))),
            Self::UnknownFormat { .. } => Some("name the file .yaml, .yml, .json or .toml".to_owned()),
            _ => None,
        }
    }

    /// Where the fault is, when it is in something that could be read.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Syntax { origin, .. }
            | Self::UnknownKey { origin, .. }
            | Self::DuplicateKey { origin, .. }
            | Self::WrongType { origin, .. }
            | Self::InvalidValue { origin, .. }
            | Self::MissingKey { origin, .. } => Some(origin),
            _ => None,
        }
    }
}

fn column_of(origin: &Origin) -> String {
    origin.column().map(|column| format!(" column {column}")).unwrap_or_default()
}

fn wrong_type(key: &str) -> String {
    if key.is_empty() { "wrong type of document".to_owned() } else { format!("wrong type for `{key}`") }
}

/// Something odd that does not keep the configuration from being used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Two configuration files in one folder.
    #[error("{} is ignored because {} comes first", ignored.display(), used.display())]
    IgnoredFile {
        /// The file that counts.
        used: PathBuf,
        /// The file that does not.
        ignored: PathBuf,
    },
    /// A variable with the name of a section or of a key for a list or a table, whose value is none.
    #[error("environment variable {variable} is ignored: its value is not {expected}")]
    IgnoredVariable {
        /// The variable.
        variable: Arc<str>,
        /// What would count.
        expected: &'static str,
    },
    /// A variable with the name of a configuration key, whose value is not text.
    #[error("environment variable {variable} is ignored: its value is not valid UTF-8")]
    NotUtf8 {
        /// The variable.
        variable: Arc<str>,
    },
}
