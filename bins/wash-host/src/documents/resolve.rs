//! From documents to the requests that a host understands: references followed, images read, paths checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Component as PathPart, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wash_runtime::host::http;
use wash_runtime::oci::client::PullPolicy;
use wash_runtime::oci::{Image, ImageError, Images};
use wash_runtime::plugin::wasmcloud_messaging;
use wash_runtime::types::{
    Component, EmptyDirVolume, HostPathVolume, LocalResources, Service, Volume, VolumeMount, VolumeType, Workload,
    WorkloadStartRequest,
};
use wash_runtime::wit::WitInterface;
use washlib_config::tree;

use super::error::DocumentError;
use super::images::{ImageSpec, Located, RegistryImage};
use super::object::{Documents, WorkloadDocument};
use super::reader::Placed;
use super::spec::{ComponentSpec, HostInterfaceSpec, MountSpec, ResourcesSpec, ServiceSpec, VolumeSpec};
use super::{Warning, Warnings};
use crate::source::{self, SourceError};
use crate::startable::{ComponentOrigin, ComponentOrigins, PullOnDemand, Reading, Startable, check_file};

/// What the command line says about all documents.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// When components are read.
    pub(crate) reading: Reading,
    /// Files to take instead of registry images.
    pub(crate) files: BTreeMap<String, PathBuf>,
    /// When registries are asked for images of which the documents do not say it.
    pub(crate) pull_policy: Option<PullPolicy>,
    /// What registries have given already.
    pub(crate) pulled: HashMap<RegistryImage, Image>,
    /// How registries are asked for images that are wanted later.
    pub(crate) registries: Option<Images>,
    /// Directories that documents may use, and everything below them; absolute, without symbolic links.
    pub(crate) allowed_host_paths: Vec<PathBuf>,
    /// For the package `namespace:package` of an entry that chooses no backend: the settings that choose one.
    pub(crate) default_backends: BTreeMap<(&'static str, &'static str), BTreeMap<String, String>>,
}

impl Documents {
    /// The workloads to start, in the order of the documents, with what is to be told about them.
    pub(crate) fn resolve(mut self, settings: &Settings) -> Result<(Vec<Startable>, Vec<Warning>), DocumentError> {
        let workloads = std::mem::take(&mut self.workloads);
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut resolver = Resolver {
            settings,
            documents: &self,
            warnings: &mut warnings,
            read: HashMap::new(),
            checked: HashSet::new(),
        };
        let mut resolved = Vec::new();
        for document in workloads {
            if document.replicas == 0 {
                resolver.warnings.not_started(&document);
                continue;
            }
            resolved.push(resolver.workload(document)?);
        }
        Ok((resolved, warnings.0))
    }
}

struct Resolver<'a> {
    settings: &'a Settings,
    documents: &'a Documents,
    warnings: &'a mut Warnings,
    /// Components that were read already: workloads often share one.
    read: HashMap<PathBuf, Bytes>,
    /// Components that were found to be there, and are read later.
    checked: HashSet<Arc<Path>>,
}

/// A component, and where it came from if a registry gave it.
struct Loaded {
    bytes: Bytes,
    digest: Option<String>,
}

impl Resolver<'_> {
    fn workload(&mut self, document: WorkloadDocument) -> Result<Startable, DocumentError> {
        let mut images = Vec::with_capacity(document.spec.components.len());
        for component in &document.spec.components {
            let image = self.documents.image_of(component, &document)?;
            images.push(self.locate(image, &document)?);
        }
        let service_image = match &document.spec.service {
            Some(service) => Some(self.locate(service.image.clone(), &document)?),
            None => None,
        };
        let WorkloadDocument { namespace, name, annotations, spec, .. } = document;
        let mut origins = ComponentOrigins::default();
        let mut components = Vec::new();
        for (component, image) in spec.components.into_iter().zip(images) {
            components.push(self.component(component, image, &namespace, &mut origins)?);
        }
        let service = match spec.service.zip(service_image) {
            Some((service, image)) => Some(self.service(service, image, &namespace)?),
            None => None,
        };
        let mut host_interfaces = Vec::new();
        for interface in spec.host_interfaces {
            host_interfaces.push(self.host_interface(interface, &namespace)?);
        }
        let volumes = spec.volumes.into_iter().map(|volume| self.volume(volume)).collect::<Result<_, _>>()?;
        let workload = Workload {
            namespace: namespace.clone(),
            name: name.clone(),
            annotations: annotations.into_iter().collect(),
            service,
            components,
            host_interfaces,
            volumes,
        };
        let workload_id = format!("{namespace}/{name}");
        let request = WorkloadStartRequest { workload_id, workload };
        let origins = (self.settings.reading == Reading::OnDemand).then_some(origins);
        Ok(Startable { request, origins })
    }

    fn locate(
        &mut self,
        image: ImageSpec,
        document: &WorkloadDocument,
    ) -> Result<(Placed<String>, Located), DocumentError> {
        let located = self.documents.locate(&image, document, self.settings)?;
        self.warnings.note_secret(&image, &located);
        Ok((image.name, located))
    }

    fn component(
        &mut self,
        component: ComponentSpec,
        (image, located): (Placed<String>, Located),
        namespace: &str,
        origins: &mut ComponentOrigins,
    ) -> Result<Component, DocumentError> {
        let ComponentSpec { name, pool_size, max_invocations, resources, .. } = component;
        let loaded = match self.settings.reading {
            Reading::AtStart => self.load(&image, &located)?,
            Reading::OnDemand => {
                origins.add(&name.value, self.origin(&image, located)?);
                Loaded { bytes: Bytes::new(), digest: None }
            }
        };
        Ok(Component {
            name: name.value,
            bytes: loaded.bytes,
            digest: loaded.digest,
            local_resources: self.resources(resources, namespace)?,
            pool_size,
            max_invocations,
        })
    }

    fn service(
        &mut self,
        service: ServiceSpec,
        (image, located): (Placed<String>, Located),
        namespace: &str,
    ) -> Result<Service, DocumentError> {
        let ServiceSpec { max_restarts, resources, .. } = service;
        let local_resources = self.resources(resources, namespace)?;
        let Loaded { bytes, digest } = self.load(&image, &located)?;
        Ok(Service { bytes, digest, local_resources, max_restarts })
    }

    fn resources(&self, resources: ResourcesSpec, namespace: &str) -> Result<LocalResources, DocumentError> {
        let mount = |mount: MountSpec| VolumeMount {
            name: mount.volume.value,
            mount_path: mount.path,
            read_only: mount.read_only,
        };
        Ok(LocalResources {
            memory_limit_mb: resources.memory_limit_mb,
            cpu_limit: resources.cpu_limit,
            config: resources.config.into_iter().collect(),
            environment: resources.environment.resolve(namespace, &self.documents.sets)?.into_iter().collect(),
            volume_mounts: resources.mounts.into_iter().map(mount).collect(),
            allowed_hosts: resources.allowed_hosts.map(|hosts| hosts.value).unwrap_or_default(),
        })
    }

    fn host_interface(&mut self, interface: HostInterfaceSpec, namespace: &str) -> Result<WitInterface, DocumentError> {
        let mut config = interface.config.resolve(namespace, &self.documents.sets)?;
        let package = (interface.namespace.as_str(), interface.package.as_str());
        let placed = |key: &str| Placed {
            value: (),
            field: format!("{}.config.{key}", interface.field),
            origin: interface.origin.clone(),
        };
        if package == ("wasi", "http") && config.contains_key("address") {
            let Placed { field, origin, .. } = placed("address");
            let text = format!("`{field}` has no effect: --http-addr says where this host listens");
            self.warnings.push(Warning { origin, text });
        }
        if let Some(known) = known_settings(package) {
            let is_told = |key: &str| package == ("wasi", "http") && key == "address";
            for key in config.keys().filter(|key| !known.contains(&key.as_str()) && !is_told(key)) {
                let Placed { field, origin, .. } = placed(key);
                let nearest =
                    tree::nearest(key, known.iter().copied()).map(|known| format!(", did you mean `{known}`?"));
                let text = format!("`{field}` is no setting of this host{}", nearest.unwrap_or_default());
                self.warnings.push(Warning { origin, text });
            }
        }
        let default_backend = self.settings.default_backends.get(&package).filter(|_| !config.contains_key("backend"));
        if let Some(backend) = default_backend {
            config.extend(backend.clone());
        } else if let Some(root) = config.get_mut("root") {
            // A person's own flag may name any directory, a document only what was allowed.
            let place = placed("root");
            *root = self.host_path(Path::new(root), &place)?;
        }
        Ok(WitInterface {
            namespace: interface.namespace,
            package: interface.package,
            interfaces: interface.interfaces.into_iter().collect(),
            version: interface.version,
            config: config.into_iter().collect(),
            name: interface.name.map(|name| name.value),
        })
    }

    fn volume(&self, volume: VolumeSpec) -> Result<Volume, DocumentError> {
        let volume_type = match volume.host_path {
            Some(path) => {
                let local_path = self.host_path(Path::new(&path.value), &path)?;
                VolumeType::HostPath(HostPathVolume { local_path })
            }
            None => VolumeType::EmptyDir(EmptyDirVolume {}),
        };
        Ok(Volume { name: volume.name.value, volume_type })
    }

    /// A directory that a document asks for, without symbolic links, if it is allowed.
    fn host_path<T>(&self, path: &Path, place: &Placed<T>) -> Result<String, DocumentError> {
        if !path.is_absolute() || path.components().any(|part| part == PathPart::ParentDir) {
            return Err(place.invalid(format!("must be an absolute path without `..`, not {}", path.display())));
        }
        let unusable = |source| DocumentError::HostPathUnusable {
            origin: place.origin.clone(),
            field: place.field.clone(),
            source,
        };
        let real = resolve_links(path).map_err(unusable)?;
        if !self.settings.allowed_host_paths.iter().any(|root| real.starts_with(root)) {
            return Err(DocumentError::HostPath {
                origin: place.origin.clone(),
                field: place.field.clone(),
                path: real,
            });
        }
        real.into_os_string().into_string().map_err(|_| place.invalid("must be valid UTF-8"))
    }

    fn load(&mut self, image: &Placed<String>, located: &Located) -> Result<Loaded, DocumentError> {
        let path = match located {
            Located::File(path) => path,
            Located::Registry(wanted) => {
                let Some(pulled) = self.settings.pulled.get(wanted) else { return Err(not_pulled(image)) };
                return Ok(Loaded { bytes: pulled.bytes.clone(), digest: Some(pulled.digest.to_string()) });
            }
        };
        if let Some(bytes) = self.read.get(path) {
            return Ok(Loaded { bytes: bytes.clone(), digest: None });
        }
        let bytes = source::read_component(path).map_err(|err| {
            let source = match err {
                SourceError::Read(err) => err,
                err => io::Error::other(err),
            };
            unreadable(image, source)
        })?;
        self.read.insert(path.clone(), bytes.clone());
        Ok(Loaded { bytes, digest: None })
    }

    /// Where a component is read from later. A file is there, and begins like a component.
    fn origin(&mut self, image: &Placed<String>, located: Located) -> Result<ComponentOrigin, DocumentError> {
        let path = match located {
            Located::File(path) => path,
            Located::Registry(RegistryImage { reference, policy, secret }) => {
                let registries = self.settings.registries.as_ref().ok_or_else(|| not_pulled(image))?;
                let images = match secret.and_then(|secret| self.documents.docker_config(&secret)) {
                    Some(config) => registries.with_docker_config(config).map_err(|err| failed(image, err))?,
                    None => registries.clone(),
                };
                return Ok(ComponentOrigin::Registry(Arc::new(PullOnDemand { images, reference, policy })));
            }
        };
        // The folder that it is relative to may be another by then.
        let path = std::path::absolute(path).map_err(|source| unreadable(image, source))?;
        if let Some(path) = self.checked.get(path.as_path()) {
            return Ok(ComponentOrigin::File(Arc::clone(path)));
        }
        check_file(&path).map_err(|source| unreadable(image, source))?;
        let path: Arc<Path> = path.into();
        self.checked.insert(Arc::clone(&path));
        Ok(ComponentOrigin::File(path))
    }
}

/// The settings of an interface's entry that this host follows, where the plugin does not refuse others itself.
fn known_settings(package: (&str, &str)) -> Option<&'static [&'static str]> {
    match package {
        ("wasi", "http") => Some(http::SETTINGS),
        ("wasmcloud", "messaging") => Some(wasmcloud_messaging::SETTINGS),
        _ => None,
    }
}

fn failed(image: &Placed<String>, err: ImageError) -> DocumentError {
    unreadable(image, io::Error::other(err))
}

/// Whoever resolves documents has pulled what they want.
fn not_pulled(image: &Placed<String>) -> DocumentError {
    unreadable(image, io::Error::new(io::ErrorKind::NotFound, "no registry has been asked for it"))
}

fn unreadable(image: &Placed<String>, source: io::Error) -> DocumentError {
    DocumentError::Image { origin: image.origin.clone(), field: image.field.clone(), source }
}

/// The path without symbolic links, as far as it exists.
fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    match fs_err::canonicalize(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            // A link that leads nowhere exists, and where it would lead is not known.
            (Some(parent), Some(name)) if path.symlink_metadata().is_err() => Ok(resolve_links(parent)?.join(name)),
            _ => Err(err),
        },
        other => other,
    }
}
