//! The environment as a layer of configuration.
//!
//! Sees only the variables it is given; which ones those are is the caller's choice.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::deserialize::{Key, Place, Shape, read_section};
use crate::error::{ConfigError, Warning};
use crate::node::{Format, Location, Node, NodeKind, ScalarKind, SyntaxError};
use crate::origin::Source;
use crate::schema::{Config, SECTIONS};
use crate::{json, toml_format};

/// The sections in which each key has a variable of its own.
const SECTIONS_WITH_KEY_VARIABLES: [&str; 4] = ["build", "dev", "new", "wit"];

/// Environment variables. Collect `std::env::vars_os()` into one.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

/// Without the variables: anything may stand in them, passwords too.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl Environment {
    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The same with more variables, which come before those of the same name.
    #[must_use]
    pub fn with<N: Into<OsString>, V: Into<OsString>>(&self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut extended = self.clone();
        extended.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        extended
    }

    /// The folder of the user's configuration files: `wash` in `XDG_CONFIG_HOME`, else in `~/.config`. As that
    /// specification says, a relative path in `XDG_CONFIG_HOME` is ignored.
    pub fn user_config_dir(&self) -> Option<PathBuf> {
        let absolute = |name| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config_home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(config_home.join("wash"))
    }

    /// The layer of all `WASH_*` variables that name a section or a key. Others are somebody else's.
    pub(crate) fn layer(&self, warnings: &mut Vec<Warning>) -> Result<Config, ConfigError> {
        let mut layer = Config::default();
        for (section, keys) in SECTIONS {
            if let Some(config) = self.section(section, warnings)? {
                layer = config.combine(layer);
            }
            if SECTIONS_WITH_KEY_VARIABLES.contains(&section) {
                for key in keys {
                    if let Some(config) = self.key(section, key, warnings)? {
                        layer = config.combine(layer);
                    }
                }
            }
        }
        Ok(layer)
    }

    /// `WASH_BUILD='{ command = "make" }'`: a section as an inline table of TOML or an object of JSON.
    fn section(&self, section: &str, warnings: &mut Vec<Warning>) -> Result<Option<Config>, ConfigError> {
        let name = format!("WASH_{}", section.to_ascii_uppercase());
        let Some((variable, value)) = self.text(name, warnings) else { return Ok(None) };
        if !value.starts_with('{') {
            warnings.push(Warning::IgnoredVariable { variable, expected: "an inline table" });
            return Ok(None);
        }
        let node = parse_inline(&variable, value)?;
        read(variable, Node::table_of(section, node)).map(Some)
    }

    /// `WASH_BUILD_COMMAND=make`: one key's value as it is, or for a list or a table as in TOML or JSON.
    fn key(&self, section: &str, key: &Key, warnings: &mut Vec<Warning>) -> Result<Option<Config>, ConfigError> {
        let name = format!("WASH_{}_{}", section.to_ascii_uppercase(), key.snake.to_ascii_uppercase());
        let Some((variable, value)) = self.text(name, warnings) else { return Ok(None) };
        let node = match key.shape {
            Shape::Single => Node::scalar(Location::START, ScalarKind::Untyped, value),
            Shape::Compound if value.starts_with(['{', '[']) => parse_inline(&variable, value)?,
            Shape::Compound => {
                warnings.push(Warning::IgnoredVariable { variable, expected: "an inline table or a list" });
                return Ok(None);
            }
        };
        read(variable, Node::table_of(section, Node::table_of(key.snake, node))).map(Some)
    }

    /// A variable's value without the blanks around it; one that is blank counts as not set.
    fn text(&self, name: String, warnings: &mut Vec<Warning>) -> Option<(Arc<str>, &str)> {
        let value = self.get(&name)?;
        let variable = Arc::from(name);
        match value.to_str() {
            Some(text) => Some((variable, text.trim())).filter(|(_, text)| !text.is_empty()),
            None => {
                warnings.push(Warning::NotUtf8 { variable });
                None
            }
        }
    }
}

fn read(variable: Arc<str>, node: Node) -> Result<Config, ConfigError> {
    let source = Source::Variable(variable);
    read_section(&node, &Place::root(&source))
}

/// JSON if it is that, else TOML: the two differ from the first key on, and an empty table is the same in both.
fn parse_inline(variable: &Arc<str>, text: &str) -> Result<Node, ConfigError> {
    let syntax = |format, err: SyntaxError| ConfigError::Syntax {
        format,
        origin: Source::Variable(Arc::clone(variable)).origin(err.location),
        reason: err.reason,
    };
    match json::parse(text) {
        Ok(node) if matches!(node.kind, NodeKind::Table(_) | NodeKind::List(_)) => Ok(node),
        _ => toml_format::parse_value(text).map_err(|err| syntax(Format::Toml, err)),
    }
}
