//! Where a value was set: the provenance that every configuration value carries.
//!
//! Knows how a place is named to a person; does not read anything.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::node::Location;

/// Where a value was set. Cheap to clone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A configuration file.
    File {
        /// Which file.
        file: Arc<ConfigFile>,
        /// The line, from 1.
        line: u32,
        /// The column in characters, from 1.
        column: u32,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: Arc<str>,
    },
    /// An option on the command line.
    Flag {
        /// The option as a person types it, such as `--address`.
        name: &'static str,
    },
}

impl Origin {
    /// The configuration file, for values that come from one.
    pub fn file(&self) -> Option<&ConfigFile> {
        match self {
            Self::File { file, .. } => Some(file),
            _ => None,
        }
    }

    /// The line in the configuration file, from 1, for values that come from one.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::File { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The column in characters, from 1, for values that come from a file.
    pub fn column(&self) -> Option<u32> {
        match self {
            Self::File { column, .. } => Some(*column),
            _ => None,
        }
    }
}

/// `.wash/config.yaml line 3`, `environment variable WASH_BUILD_COMMAND`, `--address` or `the defaults`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File { file, line, .. } => write!(f, "{file} line {line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { name } => f.write_str(name),
        }
    }
}

/// A configuration file that takes part in the merge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFile {
    path: PathBuf,
    shown: PathBuf,
    layer: Layer,
}

impl ConfigFile {
    pub(crate) fn project(path: &Path, root: &Path) -> Self {
        let shown = path.strip_prefix(root).unwrap_or(path);
        Self { path: path.to_owned(), shown: shown.to_owned(), layer: Layer::Project }
    }

    pub(crate) fn user(path: &Path) -> Self {
        Self { path: path.to_owned(), shown: path.to_owned(), layer: Layer::User }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose file it is.
    pub fn layer(&self) -> Layer {
        self.layer
    }
}

/// The path as a person knows it: a project's file relative to the project's root.
impl fmt::Display for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}

/// Whose configuration file a value comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layer {
    /// The user's own, for every project on this machine.
    User,
    /// The project's, in its `.wash` folder.
    Project,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Project => "project",
        })
    }
}

/// What a tree of values was read from, before the position in it is known.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(Arc<ConfigFile>),
    Variable(Arc<str>),
}

impl Source {
    pub(crate) fn origin(&self, location: Location) -> Origin {
        match self {
            Self::File(file) => Origin::File { file: Arc::clone(file), line: location.line, column: location.column },
            Self::Variable(variable) => Origin::Environment { variable: Arc::clone(variable) },
        }
    }
}

/// A value and where it was set. Two are equal when their values are, wherever they were set.
#[derive(Clone, Debug, Default)]
pub struct Sourced<T> {
    value: T,
    origin: Origin,
}

impl<T> Sourced<T> {
    /// A value that was set at `origin`.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A value from the command line; `name` is the option as a person types it, such as `--address`.
    pub fn from_flag(name: &'static str, value: T) -> Self {
        Self::new(value, Origin::Flag { name })
    }

    /// A value that nobody set.
    pub fn from_default(value: T) -> Self {
        Self::new(value, Origin::Default)
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Where it was set.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The same origin with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: change(self.value), origin: self.origin }
    }

    /// A borrowed value with its origin.
    pub fn as_ref(&self) -> Sourced<&T> {
        Sourced { value: &self.value, origin: self.origin.clone() }
    }
}

impl<T: PartialEq> PartialEq for Sourced<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Sourced<T> {}
