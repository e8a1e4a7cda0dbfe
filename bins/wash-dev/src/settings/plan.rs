//! The workload that a project is during development: its parts, and what each of them may use.
//!
//! Where the parts' bytes come from is known here; the bytes are not.

use std::collections::HashMap;
use std::path::{Component as PathPart, Path, PathBuf};

use bytes::Bytes;
use wash_runtime::standalone::{self, Names, Package};
use wash_runtime::types::{Component, HostPathVolume, Service, Volume, VolumeMount, VolumeType, Workload};
use wash_runtime::wit::WitInterface;
use washlib_config::{Config, Origin, Project, Sourced};
use washlib_workload::Resources;

use super::SettingsError;
use super::parts::{Part, PartSource, Role, parts};
use crate::images::Image;
use crate::syntax::Syntax;

/// How often a service that fails again and again is started anew, without a change of the project.
const MAX_RESTARTS: u64 = 5;

/// What a project runs during development.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The main one, which the build makes, comes first.
    pub(crate) parts: Vec<Part>,
    volumes: Vec<Volume>,
    /// Entries of `dev.host_interfaces`, and those that other keys stand for.
    interfaces: Vec<Entry>,
    /// Settings of backends, by package, where an entry has none of its own.
    backends: Vec<Backend>,
    /// How the project's configuration is written.
    pub(crate) syntax: Syntax,
}

/// Settings of a package's backend.
type Backend = (Package, HashMap<String, String>);

/// An entry of `host_interfaces`; without interfaces it is for all that the parts import of its package.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    interface: Sourced<WitInterface>,
    all: bool,
}

impl Plan {
    pub(crate) fn new(
        project: &Project,
        config: &Config,
        resources: &mut Resources<'_>,
    ) -> Result<Self, SettingsError> {
        let (volumes, mounts) = volumes(project, config)?;
        let mut parts = parts(project, config, resources)?;
        for part in &mut parts {
            part.resources.volume_mounts.clone_from(&mounts);
        }
        let (interfaces, backends) = (interfaces(config)?, backends(project, config)?);
        Ok(Self { parts, volumes, interfaces, backends, syntax: Syntax::of(project) })
    }

    /// The files that parts are read from, besides what the build is known to leave.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.parts.iter().filter_map(|part| match &part.source {
            PartSource::File(path) => Some(path),
            PartSource::Build | PartSource::Image(_) => None,
        })
    }

    /// The images that parts are.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Image> {
        self.parts.iter().filter_map(|part| match &part.source {
            PartSource::Image(image) => Some(image),
            PartSource::Build | PartSource::File(_) => None,
        })
    }

    /// The entry of `dev.host_interfaces` for an interface's package.
    pub(crate) fn entry_for(&self, wanted: &WitInterface) -> Option<&Sourced<WitInterface>> {
        self.interfaces.iter().map(|entry| &entry.interface).find(|entry| entry.value().same_package(wanted))
    }

    /// Whether the parts of another plan come from the same places in the same order.
    pub(crate) fn has_parts_of(&self, other: &Self) -> bool {
        self.parts.iter().map(|part| &part.source).eq(other.parts.iter().map(|part| &part.source))
    }

    /// The workload of these bytes, which are those of the parts in their order.
    pub(crate) fn workload(&self, bytes: &[Bytes]) -> Workload {
        let names: Vec<_> = bytes.iter().map(|bytes| Names::read(bytes)).collect();
        let mut workload = Workload {
            namespace: "default".to_owned(),
            name: "dev".to_owned(),
            volumes: self.volumes.clone(),
            host_interfaces: self.host_interfaces(&names),
            ..Workload::default()
        };
        for (part, bytes) in self.parts.iter().zip(bytes) {
            let (bytes, local_resources) = (bytes.clone(), part.resources.clone());
            match part.role {
                Role::Component => workload.components.push(Component {
                    name: part.name.clone(),
                    bytes,
                    digest: None,
                    local_resources,
                    pool_size: part.pool_size,
                    max_invocations: part.max_invocations,
                }),
                Role::Service => {
                    workload.service =
                        Some(Service { bytes, digest: None, local_resources, max_restarts: MAX_RESTARTS });
                }
            }
        }
        workload
    }

    fn host_interfaces(&self, names: &[Names]) -> Vec<WitInterface> {
        let mut asked = standalone::asked_for(names);
        // What cannot answer anybody is refused, instead of answering each request with an error.
        let is_component = self.parts.first().is_some_and(|main| main.role == Role::Component);
        let receives =
            |names: &Names| names.is_http_handler() || names.exports_interface("wasmcloud:messaging/handler");
        if is_component && !names.iter().any(receives) {
            asked.entry(("wasi", "http")).or_default().insert("incoming-handler".to_owned());
        }
        let mut entries = Vec::new();
        for entry in &self.interfaces {
            let mut interface = entry.interface.value().clone();
            let package = asked
                .keys()
                .find(|(namespace, package)| interface.namespace == *namespace && interface.package == *package);
            if let Some(package) = package.copied() {
                if entry.all {
                    interface.interfaces = asked[&package].clone();
                }
                self.add_defaults(package, &mut interface, names);
            }
            entries.push(interface);
        }
        for (package, interfaces) in asked {
            let is_listed = entries.iter().any(|entry| entry.namespace == package.0 && entry.package == package.1);
            if !is_listed {
                let mut interface = WitInterface {
                    namespace: package.0.to_owned(),
                    package: package.1.to_owned(),
                    interfaces,
                    ..WitInterface::default()
                };
                self.add_defaults(package, &mut interface, names);
                entries.push(interface);
            }
        }
        entries
    }

    /// What an entry says where it says nothing.
    fn add_defaults(&self, package: Package, interface: &mut WitInterface, names: &[Names]) {
        if let Some((_, settings)) = self.backends.iter().find(|(known, _)| *known == package)
            && !interface.config.contains_key("backend")
        {
            interface.config.extend(settings.clone());
        }
        let handles = names.iter().any(|names| names.exports_interface("wasmcloud:messaging/handler"));
        if package == ("wasmcloud", "messaging") && handles {
            // During development every message comes to whoever handles messages, whatever its subject.
            interface.config.entry("subscriptions".to_owned()).or_insert_with(|| ">".to_owned());
        }
    }
}

fn volumes(project: &Project, config: &Config) -> Result<(Vec<Volume>, Vec<VolumeMount>), SettingsError> {
    let mut volumes = Vec::new();
    let mut mounts: Vec<VolumeMount> = Vec::new();
    for (index, volume) in config.dev.volumes.iter().flat_map(|volumes| volumes.value()).enumerate() {
        let (guest, origin) = (volume.guest_path.value(), volume.guest_path.origin().clone());
        let is_plain = guest.is_absolute() && !guest.components().any(|part| part == PathPart::ParentDir);
        let Some(mount_path) = guest.to_str().filter(|_| is_plain) else {
            return Err(SettingsError::GuestPath { path: guest.clone(), origin });
        };
        if mounts.iter().any(|mount| Path::new(&mount.mount_path) == guest) {
            return Err(SettingsError::SameMount { path: guest.clone(), origin });
        }
        let path = project.resolve(volume.host_path.value());
        let local_path = real_folder("dev.volumes", &path, volume.host_path.origin())?;
        let name = format!("volume-{index}");
        mounts.push(VolumeMount { name: name.clone(), mount_path: mount_path.to_owned(), read_only: false });
        volumes.push(Volume { name, volume_type: VolumeType::HostPath(HostPathVolume { local_path }) });
    }
    Ok((volumes, mounts))
}

fn real_folder(key: &'static str, path: &Path, origin: &Origin) -> Result<String, SettingsError> {
    let failed = |source| SettingsError::Path { key, origin: origin.clone(), source };
    let path = fs_err::canonicalize(path).map_err(failed)?;
    if !path.is_dir() {
        let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, format!("{} is no folder", path.display()));
        return Err(failed(source));
    }
    path.into_os_string().into_string().map_err(|path| SettingsError::PathNotUtf8 {
        key,
        origin: origin.clone(),
        path: path.into(),
    })
}

fn interfaces(config: &Config) -> Result<Vec<Entry>, SettingsError> {
    let mut entries = Vec::new();
    for entry in config.dev.host_interfaces.iter().flat_map(|entries| entries.value()) {
        let version = entry.version.as_ref().map(|version| {
            version.value().trim().parse().map_err(|_| SettingsError::Version {
                version: version.value().clone(),
                origin: version.origin().clone(),
            })
        });
        let interfaces = entry.interfaces.as_ref().map(|names| names.value().iter().cloned().collect());
        let all = interfaces.is_none();
        let interface = WitInterface {
            namespace: entry.namespace.value().clone(),
            package: entry.package.value().clone(),
            interfaces: interfaces.unwrap_or_default(),
            version: version.transpose()?,
            config: entry.config.iter().map(|(key, value)| (key.clone(), value.value().clone())).collect(),
            name: entry.name.as_ref().map(|name| name.value().clone()),
        };
        entries.push(Entry { all, interface: Sourced::new(interface, entry.namespace.origin().clone()) });
    }
    if let Some(lookups) = name_lookups(config) {
        if entries.iter().any(|entry| entry.interface.value().same_package(lookups.interface.value())) {
            return Err(SettingsError::Exclusive {
                one: "the entry for wasi:sockets in dev.host_interfaces",
                other: "allowedIpNameLookups",
                origin: lookups.interface.origin().clone(),
            });
        }
        entries.push(lookups);
    }
    Ok(entries)
}

/// The names that components may look up: the workload's, and for some components their own.
fn name_lookups(config: &Config) -> Option<Entry> {
    let of_all = config.workload.as_ref().and_then(|workload| workload.allowed_ip_name_lookups.as_ref());
    let components = config.dev.components.iter().flat_map(|components| components.value());
    let own: Vec<_> = components
        .filter_map(|component| Some((component.name.value(), component.allowed_ip_name_lookups.as_ref()?)))
        .collect();
    let mut lists = of_all.into_iter().chain(own.iter().map(|(_, names)| *names));
    let origin = lists.find(|names| !names.value().is_empty())?.origin().clone();
    let mut settings: HashMap<_, _> = [("allowed-names".to_owned(), of_all.map(joined).unwrap_or_default())].into();
    settings.extend(own.iter().map(|(component, names)| (format!("allowed-names.{component}"), joined(names))));
    let interface = WitInterface {
        namespace: "wasi".to_owned(),
        package: "sockets".to_owned(),
        interfaces: ["ip-name-lookup".to_owned()].into(),
        config: settings,
        ..WitInterface::default()
    };
    Some(Entry { all: false, interface: Sourced::new(interface, origin) })
}

fn joined(names: &Sourced<Vec<String>>) -> String {
    names.value().join(",")
}

/// The backend of each package that has several, where a key chooses one.
fn backends(project: &Project, config: &Config) -> Result<Vec<Backend>, SettingsError> {
    let dev = &config.dev;
    let on = |backend: &str| Some([("backend".to_owned(), backend.to_owned())].into());
    let folder =
        |key, path: &Option<Sourced<PathBuf>>| path.as_ref().map(|path| in_folder(project, key, path)).transpose();
    let database = dev.postgres_url.as_ref().and_then(|_| on("postgres"));
    let nats = dev.data_nats_url.as_ref().and_then(|_| on("nats"));
    let values = match (&dev.wasi_keyvalue_redis_url, &dev.wasi_keyvalue_nats_url) {
        (Some(_), _) => on("redis"),
        (None, Some(_)) => on("nats"),
        (None, None) => folder("dev.wasi_keyvalue_path", &dev.wasi_keyvalue_path)?
            .or_else(|| database.clone())
            .or_else(|| nats.clone()),
    };
    let objects = folder("dev.wasi_blobstore_path", &dev.wasi_blobstore_path)?.or(database).or_else(|| nats.clone());
    let backends =
        [(("wasi", "keyvalue"), values), (("wasi", "blobstore"), objects), (("wasmcloud", "messaging"), nats)];
    Ok(backends.into_iter().filter_map(|(package, settings)| Some((package, settings?))).collect())
}

/// Settings of the backend in a folder, which is made if it is not there.
fn in_folder(
    project: &Project,
    key: &'static str,
    path: &Sourced<PathBuf>,
) -> Result<HashMap<String, String>, SettingsError> {
    let (folder, origin) = (project.resolve(path.value()), path.origin());
    fs_err::create_dir_all(&folder).map_err(|source| SettingsError::Path { key, origin: origin.clone(), source })?;
    let root = real_folder(key, &folder, origin)?;
    Ok([("backend".to_owned(), "filesystem".to_owned()), ("root".to_owned(), root)].into())
}

#[cfg(test)]
mod tests {
    use washlib_config::{Component as ConfiguredComponent, Workload as ConfiguredWorkload};

    use super::*;

    #[test]
    fn names_to_look_up_are_the_workloads_or_a_components_own() {
        let list = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            Some(Sourced::from_default(names))
        };
        let component = |name: &str, names: &[&str]| ConfiguredComponent {
            name: Sourced::from_default(name.to_owned()),
            allowed_ip_name_lookups: list(names),
            ..ConfiguredComponent::default()
        };
        let mut config = Config::default();
        config.dev.components = Some(Sourced::from_default(vec![component("none", &[])]));
        assert!(name_lookups(&config).is_none());
        config.dev.components =
            Some(Sourced::from_default(vec![component("none", &[]), component("one", &["a.example", "*.b.example"])]));
        let settings = |config: &Config| {
            let entry = name_lookups(config).unwrap();
            let mut settings: Vec<_> = entry.interface.into_value().config.into_iter().collect();
            settings.sort();
            settings.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
        };
        let own = ["allowed-names.none=", "allowed-names.one=a.example,*.b.example"];
        assert_eq!(settings(&config), ["allowed-names=", own[0], own[1]]);
        config.workload =
            Some(ConfiguredWorkload { allowed_ip_name_lookups: list(&["c.example"]), ..ConfiguredWorkload::default() });
        assert_eq!(settings(&config), ["allowed-names=c.example", own[0], own[1]]);
    }
}
