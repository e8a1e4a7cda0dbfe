//! A project as a SOURCE: its build, and what its configuration says that the component may use.
//!
//! Refuses what the configuration asks for and this command cannot do.

use std::env;

use thiserror::Error;
use wash_runtime::types::LocalResources;
use washlib_build::{BuildError, BuildRequest, CancelToken, Purpose};
use washlib_cli::{CommandError, GlobalArgs};
use washlib_config::{Config, Origin, Project, Sources};
use washlib_workload::{Granted, Resources};

use crate::command_error;
use crate::lone::LoneComponent;
use crate::report::Report;
use crate::source;
use crate::startable::ComponentOrigin;

/// Keys under `workload` that have an effect.
const SUPPORTED: [&str; 3] = ["workload.allowedHosts", "workload.config", "workload.environment"];

/// What to do with a project.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// Build it.
    Build,
    /// Take what the last build left.
    Existing,
}

/// A configuration that cannot be followed.
#[derive(Debug, Error)]
#[error("`wash host run` does not support {} yet", list(keys))]
pub(crate) struct Unsupported {
    keys: Vec<(String, Origin)>,
}

fn list(keys: &[(String, Origin)]) -> String {
    keys.iter().map(|(key, origin)| format!("{key} ({origin})")).collect::<Vec<_>>().join(", ")
}

/// A project that is ready to be built.
pub(crate) struct Prepared {
    name: String,
    build: BuildRequest,
    resources: LocalResources,
}

impl Prepared {
    /// Finds and configures the project that a folder is in.
    pub(crate) fn new(folder: &std::path::Path, global: &GlobalArgs, report: &Report) -> Result<Self, CommandError> {
        let project = Project::discover(folder).map_err(command_error::discover)?;
        let environment = env::vars_os().collect();
        let sources =
            Sources { user_config: global.user_config.as_deref(), environment: &environment, flags: Config::default() };
        let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
        for warning in &loaded.warnings {
            report.warn(&warning.to_string());
        }
        let config = &loaded.config;
        let keys = unsupported_keys(config);
        if !keys.is_empty() {
            return Err(CommandError::usage(Unsupported { keys }).hint("remove the keys, or comment them out"));
        }
        let mut resources = Resources::new(&project, config, &environment);
        let granted = resources.of_workload().map_err(command_error::resources)?;
        for warning in resources.finish().1 {
            report.warn(&warning.to_string());
        }
        Ok(Self {
            name: project.name().to_owned(),
            build: BuildRequest::new(&project, config, Purpose::Release),
            resources: local(granted),
        })
    }

    /// Builds it, or takes what is there. Blocks for as long as the build takes.
    pub(crate) fn component(
        self,
        freshness: Freshness,
        cancel: &CancelToken,
        report: &Report,
    ) -> Result<LoneComponent, CommandError> {
        let path = match freshness {
            Freshness::Build => {
                report.building(&self.build.root);
                let built = washlib_build::build(&self.build, cancel, report).map_err(build_error)?;
                report.built(&built);
                built.component_path
            }
            Freshness::Existing => washlib_build::find_component(&self.build, cancel).map_err(build_error)?,
        };
        let bytes = source::read_component(&path).map_err(command_error::source)?;
        let origin = ComponentOrigin::File(path.into());
        Ok(LoneComponent { name: self.name, origin, bytes, digest: None, resources: self.resources })
    }
}

fn build_error(err: BuildError) -> CommandError {
    match err {
        BuildError::Cancelled => CommandError::interrupted(),
        err => command_error::build(err),
    }
}

fn unsupported_keys(config: &Config) -> Vec<(String, Origin)> {
    let refused = |key: &str| key.starts_with("workload.") && !SUPPORTED.contains(&key);
    config.set_keys().into_iter().filter(|(key, _)| refused(key)).collect()
}

fn local(granted: Granted) -> LocalResources {
    let Granted { environment, config, allowed_hosts } = granted;
    LocalResources { environment, config, allowed_hosts, ..LocalResources::default() }
}
