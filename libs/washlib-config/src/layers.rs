//! Reads the layers of configuration and merges them, the highest on top.
//!
//! Leaves the meaning of the values to the tools: a path is not looked up, an address not parsed.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;

use crate::deserialize::{Place, read_section};
use crate::environment::Environment;
use crate::error::{ConfigError, Warning};
use crate::node::{self, Format, MAX_FILE_SIZE};
use crate::origin::{ConfigFile, Source};
use crate::project::{Project, find_config_files};
use crate::schema::Config;

/// What to merge besides the project's own file.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// The user's file if it is not the one in [`Environment::user_config_dir`]; it must exist.
    pub user_config: Option<&'a Path>,
    /// The variables that may configure something.
    pub environment: &'a Environment,
    /// What the command line says: the highest layer.
    pub flags: Config,
}

/// The merged configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// All layers in one.
    pub config: Config,
    /// The files that took part, the lower layer first.
    pub files: Vec<ConfigFile>,
    /// What to tell the user although it does not keep the configuration from being used.
    pub warnings: Vec<Warning>,
}

/// Merges defaults, the user's file, the project's file, the environment and flags; the later wins.
///
/// # Errors
///
/// When a file that exists cannot be read, is malformed, holds an unknown or duplicate key or a value of the wrong type;
/// when a variable that names a key holds a value of the wrong type.
pub fn load(project: &Project, sources: Sources<'_>) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let mut files = Vec::new();
    let mut config = Config::default();
    if let Some(file) = user_file(&sources, &mut warnings) {
        config = load_file(&file)?.combine(config);
        files.push(file);
    }
    if let Some(path) = project.config_file() {
        for ignored in project.ignored_config_files() {
            warnings.push(Warning::IgnoredFile { used: path.to_owned(), ignored: ignored.clone() });
        }
        let file = ConfigFile::project(path, project.root());
        config = load_file(&file)?.combine(config);
        files.push(file);
    }
    config = sources.environment.layer(&mut warnings)?.combine(config);
    config = sources.flags.combine(config);
    Ok(Loaded { config, files, warnings })
}

fn user_file(sources: &Sources<'_>, warnings: &mut Vec<Warning>) -> Option<ConfigFile> {
    if let Some(path) = sources.user_config {
        return Some(ConfigFile::user(path));
    }
    // A home that cannot be looked into, as in a container or under another user, holds no configuration for us.
    let found = find_config_files(&sources.environment.user_config_dir()?).unwrap_or_default();
    let (used, ignored) = found.split_first()?;
    for ignored in ignored {
        warnings.push(Warning::IgnoredFile { used: used.clone(), ignored: ignored.clone() });
    }
    Some(ConfigFile::user(used))
}

impl Config {
    /// One configuration document that is in memory already, such as a template's. Its format is `path`'s, and errors and
    /// origins name it by that path, which need not exist.
    ///
    /// # Errors
    ///
    /// As [`load`]'s for a file's content.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        parse(&ConfigFile::project(path, Path::new("")), text)
    }
}

fn load_file(file: &ConfigFile) -> Result<Config, ConfigError> {
    // Before it is read: a name without a format is wrong whatever stands in the file.
    format_of(file.path())?;
    parse(file, &read_text(file)?)
}

fn parse(file: &ConfigFile, text: &str) -> Result<Config, ConfigError> {
    let format = format_of(file.path())?;
    if text.len() as u64 > MAX_FILE_SIZE {
        return Err(ConfigError::TooLarge { path: file.path().to_owned(), limit: MAX_FILE_SIZE });
    }
    let source = Source::File(Arc::new(file.clone()));
    let root = node::parse(format, text).map_err(|err| ConfigError::Syntax {
        format,
        origin: source.origin(err.location),
        reason: err.reason,
    })?;
    if root.is_null() { Ok(Config::default()) } else { read_section(&root, &Place::root(&source)) }
}

fn format_of(path: &Path) -> Result<Format, ConfigError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Ok(Format::Yaml),
        Some("json") => Ok(Format::Json),
        Some("toml") => Ok(Format::Toml),
        _ => Err(ConfigError::UnknownFormat { path: path.to_owned() }),
    }
}

fn read_text(file: &ConfigFile) -> Result<String, ConfigError> {
    let path = file.path();
    let bytes = read_bytes(path).map_err(|source| ConfigError::Read { layer: file.layer(), source })?;
    let Some(bytes) = bytes else { return Err(ConfigError::NotRegular { path: path.to_owned() }) };
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_FILE_SIZE });
    }
    String::from_utf8(bytes).map_err(|err| {
        let valid = &err.as_bytes()[..err.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::NotUtf8 { path: path.to_owned(), line }
    })
}

/// The file's content, at most one byte more than is allowed; none for what is not a regular file, which might never
/// end or never begin.
fn read_bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
