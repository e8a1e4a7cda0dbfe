//! Named sets of values, the sections `configs` and `secrets`: what stands in them, in files and in the environment.
//!
//! A set is read when something refers to it, and only then. A secret's value stands in no error and in no warning.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;
use thiserror::Error;
use washlib_config::{Config, ConfigSource, Environment, Origin, Project, SecretSource, Sourced};

use crate::private_file::{self, Confidentiality};

/// Why a set of values cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The configuration has no such set.
    #[error("`{name}` ({origin}) is not in the section `{section}`")]
    NotDefined {
        /// `configs` or `secrets`.
        section: &'static str,
        /// The name that was referred to.
        name: String,
        /// Where.
        origin: Origin,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A variable that a set takes is not there.
    #[error("the environment has no variable `{variable}` ({origin})")]
    NoVariable {
        /// The variable.
        variable: String,
        /// Where it is asked for.
        origin: Origin,
    },
    /// A variable that a set takes is no text.
    #[error("the environment variable `{variable}` ({origin}) is not valid UTF-8")]
    VariableNotUtf8 {
        /// The variable.
        variable: String,
        /// Where it is asked for.
        origin: Origin,
    },
    /// A relative path leads out of the project.
    #[error("{} ({origin}) leads out of the project", path.display())]
    Outside {
        /// The path as it is written.
        path: PathBuf,
        /// Where.
        origin: Origin,
    },
    /// A path begins with `~`, and nobody knows whose home that is.
    #[error("{} ({origin}) is in a home that HOME does not name", path.display())]
    NoHome {
        /// The path as it is written.
        path: PathBuf,
        /// Where.
        origin: Origin,
    },
    /// A file or a folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is something else.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// Which one.
        path: PathBuf,
    },
    /// A file of secrets is a symbolic link.
    #[error("{} is a symbolic link, and a file of secrets must not be one", path.display())]
    Link {
        /// Which one.
        path: PathBuf,
    },
    /// A file of secrets can be read by others.
    #[error("{} holds secrets and others can read it (mode {mode:03o})", path.display())]
    NotPrivate {
        /// Which one.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file of secrets is somebody else's.
    #[error("{} holds secrets and belongs to another user", path.display())]
    ForeignOwner {
        /// Which one.
        path: PathBuf,
    },
    /// A file is larger than values are.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file is no text.
    #[error("{} is not valid UTF-8", path.display())]
    NotUtf8 {
        /// Which one.
        path: PathBuf,
    },
    /// A line of a file is no pair.
    #[error("line {line} of {} is not KEY=VALUE", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl ValueError {
    /// What helps, if something is likely to.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotDefined { section, known, .. } if known.is_empty() => {
                Some(format!("the section `{section}` is empty: add the set, or remove the reference"))
            }
            Self::NotDefined { section, known, .. } => {
                Some(format!("the section `{section}` has {}", known.join(", ")))
            }
            Self::NoVariable { variable, .. } => Some(format!("`export {variable}=…` sets it")),
            Self::NotPrivate { path, .. } => Some(format!("`chmod 600 {}` keeps others out", path.display())),
            Self::Outside { .. } => Some("write an absolute path, or one that begins with `~/`".to_owned()),
            _ => None,
        }
    }
}

/// What to tell somebody about values that can be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ValueWarning {
    /// A file of secrets stands in a repository that does not ignore it.
    #[error("{} holds secrets, and no .gitignore keeps it out of the repository", path.display())]
    NotIgnored {
        /// The file or the folder.
        path: PathBuf,
    },
}

/// Values by their names.
pub(crate) type Values = BTreeMap<String, String>;

/// The sets of one project, read as they are asked for.
pub(crate) struct ValueSets<'a> {
    project: &'a Project,
    config: &'a Config,
    environment: &'a Environment,
    /// Files and folders that have been read.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) warnings: Vec<ValueWarning>,
}

/// One set, whichever section it is in.
struct Set<'a> {
    inline: Values,
    file: Option<&'a Sourced<PathBuf>>,
    dir: Option<&'a Sourced<PathBuf>>,
    from_env: Option<&'a Sourced<Vec<String>>>,
    confidentiality: Confidentiality,
}

impl<'a> Set<'a> {
    fn of_config(source: &'a ConfigSource) -> Self {
        let ConfigSource { inline, file, dir, from_env } = source;
        let inline = inline.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect();
        Self {
            inline,
            file: file.as_ref(),
            dir: dir.as_ref(),
            from_env: from_env.as_ref(),
            confidentiality: Confidentiality::Open,
        }
    }

    fn of_secret(source: &'a SecretSource) -> Self {
        let SecretSource { inline, file, dir, from_env } = source;
        let inline = inline.iter().map(|(name, value)| (name.clone(), value.value().expose().to_owned())).collect();
        Self {
            inline,
            file: file.as_ref(),
            dir: dir.as_ref(),
            from_env: from_env.as_ref(),
            confidentiality: Confidentiality::Private,
        }
    }
}

impl<'a> ValueSets<'a> {
    pub(crate) fn new(project: &'a Project, config: &'a Config, environment: &'a Environment) -> Self {
        Self { project, config, environment, inputs: Vec::new(), warnings: Vec::new() }
    }

    /// Adds the values of these sets of `configs`, each over those before it.
    pub(crate) fn add_configs(&mut self, names: &Sourced<Vec<String>>, to: &mut Values) -> Result<(), ValueError> {
        let sets = &self.config.configs;
        for name in names.value() {
            let set = sets.get(name).ok_or_else(|| not_defined("configs", name, names.origin(), sets.keys()))?;
            self.add(&Set::of_config(set.value()), to)?;
        }
        Ok(())
    }

    /// The same for `secrets`.
    pub(crate) fn add_secrets(&mut self, names: &Sourced<Vec<String>>, to: &mut Values) -> Result<(), ValueError> {
        let sets = &self.config.secrets;
        for name in names.value() {
            let set = sets.get(name).ok_or_else(|| not_defined("secrets", name, names.origin(), sets.keys()))?;
            self.add(&Set::of_secret(set.value()), to)?;
        }
        Ok(())
    }

    fn add(&mut self, set: &Set<'_>, to: &mut Values) -> Result<(), ValueError> {
        to.extend(set.inline.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(file) = set.file {
            let path = self.locate(file, set.confidentiality)?;
            to.extend(pairs(&path, &private_file::read(&path, set.confidentiality)?)?);
        }
        if let Some(dir) = set.dir {
            let path = self.locate(dir, set.confidentiality)?;
            to.extend(files_in(&path, set.confidentiality)?);
        }
        for variable in set.from_env.iter().flat_map(|names| names.value()) {
            let origin = || set.from_env.map(|names| names.origin().clone()).unwrap_or_default();
            let value = self.environment.get(variable);
            let value = value.ok_or_else(|| ValueError::NoVariable { variable: variable.clone(), origin: origin() })?;
            let text = value.to_str();
            let text =
                text.ok_or_else(|| ValueError::VariableNotUtf8 { variable: variable.clone(), origin: origin() })?;
            to.insert(variable.clone(), text.to_owned());
        }
        Ok(())
    }

    /// Where a path of the configuration leads: from the project's root, and not out of it, unless it says so itself.
    fn locate(&mut self, path: &Sourced<PathBuf>, confidentiality: Confidentiality) -> Result<PathBuf, ValueError> {
        let (written, origin) = (path.value(), path.origin());
        let located = if let Ok(rest) = written.strip_prefix("~") {
            let home = self.environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
            let no_home = || ValueError::NoHome { path: written.clone(), origin: origin.clone() };
            home.ok_or_else(no_home)?.join(rest)
        } else if written.is_absolute() {
            written.clone()
        } else if written.components().any(|part| part == Component::ParentDir) {
            return Err(ValueError::Outside { path: written.clone(), origin: origin.clone() });
        } else {
            self.project.resolve(written)
        };
        if confidentiality == Confidentiality::Private && is_in_sight_of_git(&located) {
            self.warnings.push(ValueWarning::NotIgnored { path: located.clone() });
        }
        self.inputs.push(located.clone());
        Ok(located)
    }
}

fn not_defined<'k>(
    section: &'static str,
    name: &str,
    origin: &Origin,
    known: impl Iterator<Item = &'k String>,
) -> ValueError {
    ValueError::NotDefined { section, name: name.to_owned(), origin: origin.clone(), known: known.cloned().collect() }
}

/// Lines of `KEY=VALUE`, with the value as it stands. Empty lines and those that begin with `#` count for nothing.
fn pairs(path: &Path, text: &str) -> Result<Values, ValueError> {
    let mut values = Values::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let pair = trimmed.split_once('=').filter(|(key, _)| !key.is_empty() && !key.contains(char::is_whitespace));
        let (key, value) = pair.ok_or_else(|| ValueError::Line { path: path.to_owned(), line: index + 1 })?;
        values.insert(key.to_owned(), value.to_owned());
    }
    Ok(values)
}

/// One value for each file of a folder, without the line feed at its end; names that begin with a dot are none.
fn files_in(dir: &Path, confidentiality: Confidentiality) -> Result<Values, ValueError> {
    let failed = |source| ValueError::Read { path: dir.to_owned(), source };
    let mut values = Values::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        let text = private_file::read(&path, confidentiality)?;
        values.insert(name.to_owned(), text.strip_suffix('\n').unwrap_or(&text).to_owned());
    }
    Ok(values)
}

/// Whether a path is in a Git repository that does not ignore it.
fn is_in_sight_of_git(path: &Path) -> bool {
    let Some(folder) = path.parent() else { return false };
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return false;
    }
    let walk = WalkBuilder::new(folder).hidden(false).ignore(false).max_depth(Some(1)).build();
    walk.flatten().any(|entry| entry.path() == path)
}
