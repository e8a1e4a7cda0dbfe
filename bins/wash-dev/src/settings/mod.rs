//! What the configuration says about a development server, and what it says that cannot be followed.
//!
//! Reads the files that the configuration names; builds and starts nothing.

mod error;
mod host;
mod keys;
mod parts;
mod plan;
mod reach;
mod servers;
mod watching;

use std::path::PathBuf;

use washlib_build::{BuildRequest, Purpose};
use washlib_config::{Config, Environment, Project};
use washlib_registry::{Protocol, configuration};
use washlib_workload::{Resources, ValueWarning};

use crate::dependencies::WitDependencies;

pub(crate) use error::SettingsError;
pub(crate) use host::{HostSettings, PublishedPort, as_size};
pub(crate) use parts::{PartSource, Role};
pub(crate) use plan::Plan;
pub(crate) use watching::Watching;

/// The configuration as `wash dev` uses it.
pub(crate) struct Settings {
    pub(crate) host: HostSettings,
    pub(crate) build: BuildRequest,
    pub(crate) plan: Plan,
    pub(crate) watching: Watching,
    /// What its WIT depends on, if it does.
    pub(crate) wit: Option<WitDependencies>,
    /// How images are pulled, if there are any.
    pub(crate) registries: Option<washlib_registry::Settings>,
    /// Files that were read because the configuration names them, other than components.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) warnings: Vec<ValueWarning>,
}

impl Settings {
    /// Reads the merged configuration. `environment` is that of this program.
    pub(crate) fn new(project: &Project, config: &Config, environment: &Environment) -> Result<Self, SettingsError> {
        let unsupported = keys::unsupported(config);
        if !unsupported.is_empty() {
            return Err(SettingsError::Unsupported { keys: unsupported });
        }
        reach::check(config)?;
        let mut build = BuildRequest::new(project, config, Purpose::Development);
        // The development host's own environment is what its builds inherit.
        for (name, value) in &config.dev.environment {
            build.environment.entry(name.clone()).or_insert_with(|| value.value().clone());
        }
        let of_host = config.dev.environment.iter().map(|(name, value)| (name, value.value()));
        let environment = environment.with(of_host);
        let mut resources = Resources::new(project, config, &environment);
        let plan = Plan::new(project, config, &mut resources)?;
        let (inputs, warnings) = resources.finish();
        let registries = registries(project, config, &environment, &plan)?;
        Ok(Self {
            host: HostSettings::new(project, config)?,
            build,
            plan,
            watching: Watching::new(project, config)?,
            wit: WitDependencies::new(project, config, &environment)?,
            registries,
            inputs,
            warnings,
        })
    }
}

/// What `oci` says, and what `dev` says on top.
fn registries(
    project: &Project,
    config: &Config,
    environment: &Environment,
    plan: &Plan,
) -> Result<Option<washlib_registry::Settings>, SettingsError> {
    if plan.images().next().is_none() {
        return Ok(None);
    }
    let place = configuration::Place { root: project.root(), environment };
    let mut settings = configuration::settings(&config.oci, place)?;
    if config.dev.allow_insecure_registries.as_ref().is_some_and(|allow| *allow.value()) {
        for image in plan.images() {
            let registry = image.reference.repository().registry().to_owned();
            let settings = settings.registries.entry(registry).or_default();
            if settings.protocol == Protocol::Auto {
                settings.protocol = Protocol::PlainHttp;
            }
        }
    }
    Ok(Some(settings))
}
