//! What to build: the part of the configuration that a build needs.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use washlib_config::{Config, Project, Sourced};

use crate::Toolchain;

/// Whose command is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// `wash build`: the keys under `build`.
    Release,
    /// `wash dev`: the keys under `dev`, and where they are absent those under `build`.
    Development,
}

/// One build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The project's folder: the build's working folder.
    pub root: PathBuf,
    /// The shell command that builds it.
    pub command: Option<String>,
    /// What builds it without a command: the toolchain that the project's manifests tell of.
    pub toolchain: Option<Toolchain>,
    /// Where the component will be, relative to the root. Without it, cargo's own messages say, or the places where
    /// toolchains leave components.
    pub component_path: Option<Sourced<PathBuf>>,
    /// Environment for the build, on top of our own.
    pub environment: BTreeMap<String, String>,
}

impl BuildRequest {
    /// The build that a configuration describes.
    pub fn new(project: &Project, config: &Config, purpose: Purpose) -> Self {
        let (command, component_path) = match purpose {
            Purpose::Release => (config.build.command.as_ref(), config.build.component_path.as_ref()),
            Purpose::Development => (config.dev_command(), config.dev_component_path()),
        };
        Self {
            root: project.root().to_path_buf(),
            // A YAML block ends in a line feed that means nothing to the shell and breaks the message that quotes it.
            command: command.map(|command| command.value().trim_end_matches('\n').to_owned()),
            toolchain: Toolchain::of(project),
            component_path: component_path.cloned(),
            environment: config.build.env.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect(),
        }
    }

    /// The component's path as the configuration spells it, or the default: the folder's name.
    pub(crate) fn configured_path(&self) -> PathBuf {
        match &self.component_path {
            Some(path) => path.value().clone(),
            None => {
                let name = self.root.file_name().map_or("component".into(), |name| name.to_string_lossy());
                PathBuf::from(format!("{name}.wasm"))
            }
        }
    }

    /// The value of an environment variable as the build sees it.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.get(name).map(OsString::from).or_else(|| env::var_os(name))
    }
}
