//! The components of the workload: which there are, where their bytes come from, and what each may use.

use std::path::PathBuf;

use wash_runtime::types::LocalResources;
use washlib_config::{Component, Config, Origin, Project, PullPolicy, Sourced};
use washlib_registry::{PullPolicy as Policy, Reference};
use washlib_workload::{Granted, Resources};

use super::SettingsError;
use crate::images::Image;

/// The main component's name, as scripts know it from the public tool's messages.
const MAIN: &str = "wash-dev-component";

/// The name that the runtime gives to a service.
const SERVICE: &str = "service";

/// One component of the workload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) source: PartSource,
    pub(super) resources: LocalResources,
    pub(super) pool_size: i32,
    pub(super) max_invocations: i32,
}

/// What a part is in the workload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Component,
    Service,
}

/// Where a part's bytes come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PartSource {
    /// The project's build leaves them.
    Build,
    /// A file, which the same build leaves, or somebody else.
    File(PathBuf),
    /// A registry.
    Image(Image),
}

/// The keys that say where a part comes from, and what the messages call them.
struct SourceKeys<'a> {
    file: (&'static str, Option<&'a Sourced<PathBuf>>),
    image: (&'static str, Option<&'a Sourced<String>>),
    policy: (&'static str, Option<&'a Sourced<PullPolicy>>),
}

/// All parts, the main one first.
pub(super) fn parts(
    project: &Project,
    config: &Config,
    resources: &mut Resources<'_>,
) -> Result<Vec<Part>, SettingsError> {
    let dev = &config.dev;
    let of_all = local(resources.of_workload()?);
    let part = |name: &str, role, source| Part {
        name: name.to_owned(),
        role,
        source,
        resources: of_all.clone(),
        pool_size: 0,
        max_invocations: 0,
    };
    let main_is_service = dev.service.as_ref().is_some_and(|service| *service.value());
    let (name, role) = if main_is_service { (SERVICE, Role::Service) } else { (MAIN, Role::Component) };
    let mut parts = vec![part(name, role, PartSource::Build)];
    for component in dev.components.iter().flat_map(|components| components.value()) {
        let (name, origin) = (component.name.value(), component.name.origin());
        check_name(name, origin, &parts)?;
        let Some(source) = SourceKeys::of_component(component).source(project)? else {
            return Err(SettingsError::NoSource { name: name.clone(), origin: origin.clone() });
        };
        let number =
            |number: &Option<Sourced<u32>>| number.as_ref().map_or(0, |it| i32::try_from(*it.value()).unwrap_or(0));
        parts.push(Part {
            resources: local(resources.of_component(component)?),
            pool_size: number(&component.pool_size),
            max_invocations: number(&component.max_invocations),
            ..part(name, Role::Component, source.into_value())
        });
    }
    let keys = SourceKeys::of_service(config);
    if let Some(source) = keys.source(project)? {
        if main_is_service {
            let other = if keys.image.1.is_some() { keys.image.0 } else { keys.file.0 };
            return Err(SettingsError::Exclusive { one: "dev.service", other, origin: source.origin().clone() });
        }
        parts.push(part(SERVICE, Role::Service, source.into_value()));
    }
    Ok(parts)
}

impl<'a> SourceKeys<'a> {
    fn of_component(component: &'a Component) -> Self {
        Self {
            file: ("dev.components[].file", component.file.as_ref()),
            image: ("dev.components[].image", component.image.as_ref()),
            policy: ("dev.components[].pullPolicy", component.pull_policy.as_ref()),
        }
    }

    fn of_service(config: &'a Config) -> Self {
        Self {
            file: ("dev.service_file", config.dev.service_file.as_ref()),
            image: ("dev.service_image", config.dev.service_image.as_ref()),
            policy: ("dev.service_pull_policy", config.dev.service_pull_policy.as_ref()),
        }
    }

    /// Where the part comes from; `None` when nothing says so.
    fn source(&self, project: &Project) -> Result<Option<Sourced<PartSource>>, SettingsError> {
        let exclusive = |one, other, origin: &Origin| SettingsError::Exclusive { one, other, origin: origin.clone() };
        match (self.file.1, self.image.1, self.policy.1) {
            (Some(_), Some(image), _) => Err(exclusive(self.image.0, self.file.0, image.origin())),
            (Some(_), None, Some(policy)) => Err(exclusive(self.policy.0, self.file.0, policy.origin())),
            (Some(file), None, None) => {
                Ok(Some(Sourced::new(PartSource::File(project.resolve(file.value())), file.origin().clone())))
            }
            (None, Some(name), policy) => {
                Ok(Some(Sourced::new(PartSource::Image(image(name, policy)?), name.origin().clone())))
            }
            (None, None, Some(policy)) => Err(SettingsError::Together {
                set: self.policy.0,
                missing: self.image.0,
                origin: policy.origin().clone(),
            }),
            (None, None, None) => Ok(None),
        }
    }
}

fn image(image: &Sourced<String>, policy: Option<&Sourced<PullPolicy>>) -> Result<Image, SettingsError> {
    let reference = image.value().parse::<Reference>().map_err(|source| SettingsError::Image {
        image: image.value().clone(),
        origin: image.origin().clone(),
        source,
    })?;
    let policy = match policy.map(|policy| *policy.value()).unwrap_or_default() {
        PullPolicy::Always => Policy::Always,
        PullPolicy::IfNotPresent => Policy::IfNotPresent,
        PullPolicy::Never => Policy::Never,
    };
    Ok(Image { reference, policy })
}

/// Volumes come later: they are the same for all parts.
fn local(granted: Granted) -> LocalResources {
    let Granted { environment, config, allowed_hosts } = granted;
    LocalResources { environment, config, allowed_hosts, ..LocalResources::default() }
}

fn check_name(name: &str, origin: &Origin, parts: &[Part]) -> Result<(), SettingsError> {
    let wrong = |reason| SettingsError::Name { name: name.to_owned(), origin: origin.clone(), reason };
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(wrong("a name is visible text"));
    }
    if name == SERVICE {
        return Err(wrong("that is the service's name"));
    }
    match parts.iter().position(|part| part.name == name) {
        None => Ok(()),
        Some(0) => Err(wrong("that is the name of the project's own component")),
        Some(_) => Err(SettingsError::SameName { name: name.to_owned(), origin: origin.clone() }),
    }
}
