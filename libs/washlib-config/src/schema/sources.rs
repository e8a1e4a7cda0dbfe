//! The sections `configs` and `secrets`: named sets of values, and where the values come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::deserialize::{Place, Shape, Value, section};
use crate::error::ConfigError;
use crate::node::Node;
use crate::origin::Sourced;

section! {
    /// A set of values. Of the same name, the last of these counts. Paths are relative to the project's root.
    Camel ConfigSource {
        /// Values written here.
        inline: BTreeMap<String, Sourced<String>>,
        /// A file of `KEY=VALUE` lines.
        file: Option<Sourced<PathBuf>>,
        /// A folder with one file for each key.
        dir: Option<Sourced<PathBuf>>,
        /// Names of environment variables of wash.
        from_env: Option<Sourced<Vec<String>>>,
    }
}

section! {
    /// A set of confidential values. Of the same name, the last of these counts. Paths are relative to the project's
    /// root.
    Camel SecretSource {
        /// Values written here.
        inline: BTreeMap<String, Sourced<Secret>>,
        /// A file of `KEY=VALUE` lines that its owner alone may read.
        file: Option<Sourced<PathBuf>>,
        /// A folder with one file for each key.
        dir: Option<Sourced<PathBuf>>,
        /// Names of environment variables of wash.
        from_env: Option<Sourced<Vec<String>>>,
    }
}

/// A value that must not end up in a log: it is not in its `Debug` text.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` confidential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Secret {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        String::read(node, place).map(Self)
    }
}
