//! What the configuration says about a development server, and what it says that cannot be followed.
//!
//! Reads the files that the configuration names; builds and starts nothing.

mod error;
mod host;
mod keys;
mod parts;
mod plan;
mod servers;

use std::path::{Component, Path, PathBuf};

use washlib_build::{BuildRequest, Purpose};
use washlib_config::{Config, Environment, Project, Sourced};
use washlib_registry::{Protocol, configuration};
use washlib_workload::{Resources, ValueWarning};

use crate::dependencies::WitDependencies;

pub(crate) use error::SettingsError;
pub(crate) use host::{HostSettings, PublishedPort};
pub(crate) use parts::{PartSource, Role};
pub(crate) use plan::Plan;

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

/// What counts as a source.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watching {
    /// The files and folders that count, absolute; none stand for the whole project.
    pub(crate) only: Vec<PathBuf>,
    /// What does not count, as lines of a `.gitignore`.
    pub(crate) ignore: Vec<String>,
    /// Folders that the guests write to, which are no reason to build.
    pub(crate) data: Vec<PathBuf>,
}

impl Settings {
    /// Reads the merged configuration. `environment` is that of this program.
    pub(crate) fn new(project: &Project, config: &Config, environment: &Environment) -> Result<Self, SettingsError> {
        let unsupported = keys::unsupported(config);
        if !unsupported.is_empty() {
            return Err(SettingsError::Unsupported { keys: unsupported });
        }
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
            watching: watching(project, config),
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

fn watching(project: &Project, config: &Config) -> Watching {
    let dev = &config.dev;
    let only = dev.watch.iter().flat_map(|paths| paths.value());
    let ignore = dev.ignore.iter().flat_map(|lines| lines.value());
    let volumes = dev.volumes.iter().flat_map(|volumes| volumes.value()).map(|volume| volume.host_path.value());
    let data = [&dev.wasi_keyvalue_path, &dev.wasi_blobstore_path];
    let data = data.into_iter().flatten().map(Sourced::value).chain(volumes).map(|path| found(project, path));
    Watching {
        only: only.map(|path| found(project, path)).collect(),
        ignore: ignore.cloned().collect(),
        // Who mounts the project itself still wants it built.
        data: data.filter(|folder| !project.root().starts_with(folder)).collect(),
    }
}

/// A path as the system tells of changes in it: without links and detours.
fn found(project: &Project, path: &Path) -> PathBuf {
    let path = project.resolve(path);
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}
