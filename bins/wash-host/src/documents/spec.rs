//! What a workload's `spec` may hold, as the operator's API reference defines it.
//!
//! Reads and checks what one document says; what it refers to is put together in [`super::resolve`].

use std::collections::{BTreeMap, BTreeSet};

use super::error::DocumentError;
use super::images::ImageSpec;
use super::reader::{Field, Origin, Placed, Table};
use super::values::{ConfigLayer, reference};
use super::{Warning, Warnings, is_dns_label};

/// Components, an optional service, and what they share.
#[derive(Debug)]
pub(crate) struct WorkloadSpec {
    pub(crate) components: Vec<ComponentSpec>,
    pub(crate) service: Option<ServiceSpec>,
    pub(crate) host_interfaces: Vec<HostInterfaceSpec>,
    pub(crate) volumes: Vec<VolumeSpec>,
}

/// A component of a workload.
#[derive(Debug)]
pub(crate) struct ComponentSpec {
    pub(crate) name: Placed<String>,
    pub(crate) image: ImageSpec,
    pub(crate) pool_size: i32,
    pub(crate) max_invocations: i32,
    pub(crate) resources: ResourcesSpec,
}

/// A workload's long-running companion.
#[derive(Debug)]
pub(crate) struct ServiceSpec {
    pub(crate) image: ImageSpec,
    /// 0 where the document does not say it, as with the operator: whoever wants restarts asks for them.
    pub(crate) max_restarts: u64,
    pub(crate) resources: ResourcesSpec,
}

/// What a component or a service may use.
#[derive(Debug, Default)]
pub(crate) struct ResourcesSpec {
    pub(crate) environment: ConfigLayer,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) allowed_hosts: Option<Placed<Vec<String>>>,
    pub(crate) mounts: Vec<MountSpec>,
    pub(crate) memory_limit_mb: i32,
    pub(crate) cpu_limit: i32,
}

/// Where a component sees a volume.
#[derive(Debug)]
pub(crate) struct MountSpec {
    pub(crate) volume: Placed<String>,
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

/// Interfaces that the workload uses, with settings for whoever provides them.
#[derive(Debug)]
pub(crate) struct HostInterfaceSpec {
    pub(crate) origin: Origin,
    pub(crate) field: String,
    pub(crate) name: Option<Placed<String>>,
    pub(crate) namespace: String,
    pub(crate) package: String,
    pub(crate) interfaces: BTreeSet<String>,
    pub(crate) version: Option<semver::Version>,
    pub(crate) config: ConfigLayer,
}

/// Storage that components may mount.
#[derive(Debug)]
pub(crate) struct VolumeSpec {
    pub(crate) name: Placed<String>,
    /// A directory of the host; without it, one that lives as long as the workload.
    pub(crate) host_path: Option<Placed<String>>,
}

const NUMBER: &str = "a whole number";

impl WorkloadSpec {
    pub(crate) fn read(field: &Field<'_>, warnings: &mut Warnings) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        scheduling(&mut table, warnings)?;
        let components = table.list("components")?;
        let components = components.iter().map(ComponentSpec::read).collect::<Result<Vec<_>, _>>()?;
        let service = table.optional("service").map(|field| ServiceSpec::read(&field)).transpose()?;
        let host_interfaces = table.list("hostInterfaces")?;
        let host_interfaces = host_interfaces.iter().map(HostInterfaceSpec::read).collect::<Result<Vec<_>, _>>()?;
        let volumes = table.list("volumes")?.iter().map(VolumeSpec::read).collect::<Result<Vec<_>, _>>()?;
        table.finish()?;
        if components.is_empty() && service.is_none() {
            return Err(field.placed(()).invalid("must have components or a service"));
        }
        let spec = Self { components, service, host_interfaces, volumes };
        spec.check_names()?;
        Ok(spec)
    }

    fn check_names(&self) -> Result<(), DocumentError> {
        check_unique(self.components.iter().map(|component| &component.name), "component")?;
        check_unique(self.volumes.iter().map(|volume| &volume.name), "volume")?;
        check_interface_names(&self.host_interfaces)?;
        let volumes: Vec<_> = self.volumes.iter().map(|volume| volume.name.value.as_str()).collect();
        let components = self.components.iter().map(|component| &component.resources);
        for resources in components.chain(self.service.iter().map(|service| &service.resources)) {
            let mut paths = BTreeSet::new();
            for mount in &resources.mounts {
                if !volumes.contains(&mount.volume.value.as_str()) {
                    let reason = format!("names the volume `{}`, which `volumes` does not have", mount.volume.value);
                    return Err(mount.volume.invalid(reason));
                }
                if !paths.insert(mount.path.trim_end_matches('/')) {
                    return Err(mount.volume.invalid(format!("is mounted on `{}`, as another is", mount.path)));
                }
            }
        }
        Ok(())
    }
}

/// Which host runs a workload is a question only where there are several.
fn scheduling(table: &mut Table<'_>, warnings: &mut Warnings) -> Result<(), DocumentError> {
    if let Some(field) = table.optional("hostSelector") {
        field.text_map()?;
        warnings.add(&field, "is for the operator to choose among hosts");
    }
    for key in ["hostId", "environment"] {
        if let Some(field) = table.optional(key) {
            field.text()?;
            warnings.add(&field, "is for the operator to choose among hosts");
        }
    }
    kubernetes(table, warnings)
}

/// The field `kubernetes`, which a workload and a deployment may have.
pub(crate) fn kubernetes(table: &mut Table<'_>, warnings: &mut Warnings) -> Result<(), DocumentError> {
    let Some(field) = table.optional("kubernetes") else { return Ok(()) };
    let mut kubernetes = field.table()?;
    if let Some(service) = kubernetes.optional("service") {
        reference(&service)?;
        warnings.add(&service, "needs a cluster: nothing registers with a Kubernetes Service here");
    }
    kubernetes.finish()
}

impl ComponentSpec {
    fn read(field: &Field<'_>) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        let name = table.required("name")?.text()?;
        let image = ImageSpec::read_with_policy(&mut table)?;
        let pool_size = number(&mut table, "poolSize")?;
        let max_invocations = number(&mut table, "maxInvocations")?;
        let mut resources = ResourcesSpec::read(&mut table)?;
        // The reference has it under `localResources`, the guide beside it too.
        if let Some(field) = table.optional("allowedHosts") {
            let hosts = field.placed(field.texts()?);
            if let Some(first) = &resources.allowed_hosts {
                return Err(hosts.invalid(format!("stands in `{}` as well", first.field)));
            }
            resources.allowed_hosts = Some(hosts);
        }
        table.finish()?;
        Ok(Self { name, image, pool_size, max_invocations, resources })
    }
}

impl ServiceSpec {
    fn read(field: &Field<'_>) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        let image = ImageSpec::read_with_policy(&mut table)?;
        let max_restarts = table.optional("maxRestarts");
        let max_restarts = max_restarts.map(|field| field.integer("a whole number from 0")).transpose()?;
        let resources = ResourcesSpec::read(&mut table)?;
        table.finish()?;
        Ok(Self { image, max_restarts: max_restarts.map_or(0, |number| number.value), resources })
    }
}

impl ResourcesSpec {
    fn read(owner: &mut Table<'_>) -> Result<Self, DocumentError> {
        let Some(field) = owner.optional("localResources") else { return Ok(Self::default()) };
        let mut table = field.table()?;
        let mounts = table.list("volumeMounts")?;
        let resources = Self {
            environment: match table.optional("environment") {
                Some(field) => {
                    let mut layer = field.table()?;
                    let environment = ConfigLayer::read(&mut layer)?;
                    layer.finish()?;
                    environment
                }
                None => ConfigLayer::default(),
            },
            config: table.text_map("config")?,
            allowed_hosts: table.optional("allowedHosts").map(|field| Ok(field.placed(field.texts()?))).transpose()?,
            mounts: mounts.iter().map(MountSpec::read).collect::<Result<_, _>>()?,
            // Not in the reference, but in what the operator tells its hosts.
            memory_limit_mb: number(&mut table, "memoryLimitMb")?,
            cpu_limit: number(&mut table, "cpuLimit")?,
        };
        table.finish()?;
        Ok(resources)
    }
}

fn number(table: &mut Table<'_>, key: &'static str) -> Result<i32, DocumentError> {
    table.optional(key).map_or(Ok(0), |field| Ok(field.integer(NUMBER)?.value))
}

impl MountSpec {
    fn read(field: &Field<'_>) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        let volume = table.required("name")?.text()?;
        let path_field = table.required("mountPath")?;
        let path = path_field.text()?;
        let read_only = table.optional("readOnly").map_or(Ok(false), |field| field.boolean())?;
        table.finish()?;
        if !path.value.starts_with('/') || path.value.split('/').any(|part| part == "..") {
            return Err(path_field.invalid_value(&path.value, "an absolute path without `..`"));
        }
        Ok(Self { volume, path: path.value, read_only })
    }
}

impl VolumeSpec {
    fn read(field: &Field<'_>) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        let name_field = table.required("name")?;
        let name = name_field.text()?;
        if !is_dns_label(&name.value) {
            return Err(name_field.invalid_value(&name.value, "a name of lower-case letters, digits and hyphens"));
        }
        let ephemeral = table.optional("ephemeral");
        if let Some(ephemeral) = &ephemeral {
            ephemeral.table()?.finish()?;
        }
        let host_path = match table.optional("hostPath") {
            Some(field) => {
                let mut host_path = field.table()?;
                let path = host_path.required("path")?.text()?;
                host_path.finish()?;
                Some(path)
            }
            None => None,
        };
        table.finish()?;
        match (ephemeral.is_some(), host_path.is_some()) {
            (true, true) => Err(field.placed(()).invalid("must be `ephemeral` or `hostPath`, not both")),
            (false, false) => Err(field.placed(()).invalid("must be `ephemeral: {}` or `hostPath`")),
            _ => Ok(Self { name, host_path }),
        }
    }
}

impl HostInterfaceSpec {
    fn read(field: &Field<'_>) -> Result<Self, DocumentError> {
        let mut table = field.table()?;
        let name = match table.optional("name") {
            Some(field) => {
                let name = field.text()?;
                if !is_interface_name(&name.value) {
                    let expected = "a name such as `cache-2`: [a-z0-9][a-z0-9-]*";
                    return Err(field.invalid_value(&name.value, expected));
                }
                Some(name)
            }
            None => None,
        };
        let namespace = wit_name(&table.required("namespace")?)?;
        let package = wit_name(&table.required("package")?)?;
        let interfaces_field = table.required("interfaces")?;
        let interfaces = interfaces_field.list()?.iter().map(wit_name).collect::<Result<BTreeSet<_>, _>>()?;
        if interfaces.is_empty() {
            return Err(interfaces_field.placed(()).invalid("must name at least one interface"));
        }
        let version = match table.optional("version") {
            Some(field) => Some(read_version(&field)?),
            None => None,
        };
        let config = ConfigLayer::read(&mut table)?;
        let origin = table.origin().clone();
        table.finish()?;
        let field = field.placed(()).field;
        Ok(Self { origin, field, name, namespace, package, interfaces, version, config })
    }
}

fn read_version(field: &Field<'_>) -> Result<semver::Version, DocumentError> {
    let text = field.text()?;
    text.value.parse().map_err(|_| field.invalid_value(&text.value, "a whole version such as 0.2.0"))
}

/// A name as WIT has it: words of letters and digits with hyphens between them.
fn wit_name(field: &Field<'_>) -> Result<String, DocumentError> {
    let text = field.text()?;
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    if text.value.split('-').all(is_word) {
        Ok(text.value)
    } else {
        Err(field.invalid_value(&text.value, "a name such as `incoming-handler`, without package or version"))
    }
}

fn is_interface_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(is_plain) && name.chars().all(|c| is_plain(c) || c == '-')
}

fn check_unique<'a>(names: impl Iterator<Item = &'a Placed<String>>, what: &str) -> Result<(), DocumentError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.value.as_str()) {
            return Err(name.invalid(format!("is `{}`, as that of another {what} is", name.value)));
        }
    }
    Ok(())
}

/// Entries of one package are told apart by their names, so each of several must have one of its own.
fn check_interface_names(interfaces: &[HostInterfaceSpec]) -> Result<(), DocumentError> {
    let mut packages: BTreeMap<(&str, &str), Vec<&HostInterfaceSpec>> = BTreeMap::new();
    for interface in interfaces {
        packages.entry((&interface.namespace, &interface.package)).or_default().push(interface);
    }
    for ((namespace, package), entries) in packages {
        if entries.len() < 2 {
            continue;
        }
        if let Some(unnamed) = entries.iter().find(|entry| entry.name.is_none()) {
            return Err(DocumentError::Invalid {
                origin: unnamed.origin.clone(),
                field: unnamed.field.clone(),
                reason: format!("needs a `name`, because there are {} entries of {namespace}:{package}", entries.len()),
            });
        }
        check_unique(entries.iter().filter_map(|entry| entry.name.as_ref()), &format!("{namespace}:{package} entry"))?;
    }
    Ok(())
}

impl Warnings {
    /// Notes a field without effect on this host.
    pub(crate) fn add(&mut self, field: &Field<'_>, text: &str) {
        let placed = field.placed(());
        self.push(Warning { origin: placed.origin, text: format!("`{}` {text}", placed.field) });
    }
}
