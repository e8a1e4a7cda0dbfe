//! What each component of a project may use, as the sections `workload` and `dev.components` say it.

use std::collections::HashMap;
use std::path::PathBuf;

use thiserror::Error;
use washlib_config::{Component, Config, Environment, EnvironmentLayer, Project, Sourced, Workload};

use crate::values::{ValueError, ValueSets, ValueWarning, Values};

/// To the host an empty list of hosts means every host; in a project's configuration it means none.
const NO_HOST: &str = "!*";

/// Why a component cannot get what the configuration says.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Some of its environment cannot be had.
    #[error("cannot set up the environment of `{component}`")]
    Environment {
        /// The component, or `the project` for what all get.
        component: String,
        /// What cannot be had.
        source: ValueError,
    },
}

/// What a component may use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Granted {
    /// Its environment variables.
    pub environment: HashMap<String, String>,
    /// Values for `wasi:config`.
    pub config: HashMap<String, String>,
    /// Hosts that it may send HTTP requests to, as the runtime's `allowed_hosts` has them.
    pub allowed_hosts: Vec<String>,
}

/// Reads what components may use.
///
/// A section that is not there means the same as one that is empty: no environment, and every host can be reached.
pub struct Resources<'a> {
    workload: Option<&'a Workload>,
    values: ValueSets<'a>,
}

impl<'a> Resources<'a> {
    /// For a project with this configuration. `environment` is where `fromEnv` finds its variables.
    pub fn new(project: &'a Project, config: &'a Config, environment: &'a Environment) -> Self {
        Self { workload: config.workload.as_ref(), values: ValueSets::new(project, config, environment) }
    }

    /// What a component may use that has no settings of its own.
    ///
    /// # Errors
    /// [`ResourceError`].
    pub fn of_workload(&mut self) -> Result<Granted, ResourceError> {
        let mut environment = Values::new();
        let mut config = Values::new();
        if let Some(workload) = self.workload {
            self.add_environment(&workload.environment, &mut environment, "the project")?;
            config.extend(owned(&workload.config));
        }
        Ok(Granted {
            environment: environment.into_iter().collect(),
            config: config.into_iter().collect(),
            allowed_hosts: allowed_hosts(self.workload.and_then(|workload| workload.allowed_hosts.as_ref())),
        })
    }

    /// What a component may use that has settings of its own: they are merged over the workload's.
    ///
    /// # Errors
    /// [`ResourceError`].
    pub fn of_component(&mut self, component: &Component) -> Result<Granted, ResourceError> {
        let mut resources = self.of_workload()?;
        let mut environment = Values::new();
        self.add_environment(&component.environment, &mut environment, component.name.value())?;
        resources.environment.extend(environment);
        resources.config.extend(owned(&component.config));
        if component.allowed_hosts.is_some() {
            resources.allowed_hosts = allowed_hosts(component.allowed_hosts.as_ref());
        }
        Ok(resources)
    }

    /// Files and folders that have been read, and what to tell about them.
    pub fn finish(self) -> (Vec<PathBuf>, Vec<ValueWarning>) {
        (self.values.inputs, self.values.warnings)
    }

    fn add_environment(
        &mut self,
        layer: &EnvironmentLayer,
        to: &mut Values,
        component: &str,
    ) -> Result<(), ResourceError> {
        let failed = |source| ResourceError::Environment { component: component.to_owned(), source };
        to.extend(owned(&layer.config));
        if let Some(names) = &layer.config_from {
            self.values.add_configs(names, to).map_err(failed)?;
        }
        if let Some(names) = &layer.secret_from {
            self.values.add_secrets(names, to).map_err(failed)?;
        }
        Ok(())
    }
}

fn owned(values: &std::collections::BTreeMap<String, Sourced<String>>) -> HashMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect()
}

fn allowed_hosts(hosts: Option<&Sourced<Vec<String>>>) -> Vec<String> {
    match hosts {
        None => Vec::new(),
        Some(hosts) if hosts.value().is_empty() => vec![NO_HOST.to_owned()],
        Some(hosts) => hosts.value().clone(),
    }
}
