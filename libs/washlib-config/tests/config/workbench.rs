//! A scratch project with a home beside it, so that no test meets this machine's configuration.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use washlib_config::{Config, ConfigError, Environment, Loaded, Project, Sources, load};

pub(crate) struct Workbench {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("project")).unwrap();
        let home = folder.path().join("home").to_str().unwrap().to_owned();
        Self { folder, variables: vec![("HOME".into(), home)] }
    }

    pub(crate) fn with_config(file_name: &str, text: &str) -> Self {
        let workbench = Self::new();
        workbench.write(&format!("project/.wash/{file_name}"), text);
        workbench
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn project(&self) -> Project {
        Project::open(&self.path("project")).unwrap()
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        self.load_with(None, Config::default())
    }

    pub(crate) fn load_with(&self, user_config: Option<&Path>, flags: Config) -> Result<Loaded, ConfigError> {
        let environment: Environment = self.variables.iter().map(|(name, value)| (name, value)).collect();
        load(&self.project(), Sources { user_config, environment: &environment, flags })
    }
}

/// The configuration in a project's file.
pub(crate) fn config(file_name: &str, text: &str) -> Config {
    Workbench::with_config(file_name, text).load().unwrap_or_else(|err| panic!("{file_name}: {err}\n{text}")).config
}

/// Why a project's file is refused.
pub(crate) fn refusal(file_name: &str, text: &str) -> ConfigError {
    match Workbench::with_config(file_name, text).load() {
        Ok(loaded) => panic!("{file_name} was accepted: {:?}\n{text}", loaded.config),
        Err(err) => err,
    }
}
