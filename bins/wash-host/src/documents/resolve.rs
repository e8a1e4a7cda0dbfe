//! From documents to the requests that a host understands: references followed, images read, paths checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Component as PathPart, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wash_runtime::types::{
    Component, EmptyDirVolume, HostPathVolume, LocalResources, Service, Volume, VolumeMount, VolumeType, Workload,
    WorkloadStartRequest,
};
use wash_runtime::wit::WitInterface;

use super::error::DocumentError;
use super::object::{Documents, WorkloadDocument};
use super::reader::Placed;
use super::spec::{ComponentSpec, HostInterfaceSpec, MountSpec, ResourcesSpec, ServiceSpec, VolumeSpec};
use super::values::ValueSets;
use super::{Warning, Warnings};
use crate::source::{self, SourceError};
use crate::startable::{ComponentFiles, Reading, Startable, check_file};

/// What the command line says about all documents.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// When components are read.
    pub(crate) reading: Reading,
    /// Files to take instead of registry images.
    pub(crate) images: BTreeMap<String, PathBuf>,
    /// Directories that documents may use, and everything below them; absolute, without symbolic links.
    pub(crate) allowed_host_paths: Vec<PathBuf>,
    /// For the package `namespace:package` of an entry that chooses no backend: the settings that choose one.
    pub(crate) default_backends: BTreeMap<(&'static str, &'static str), BTreeMap<String, String>>,
}

impl Documents {
    /// The workloads to start, in the order of the documents, with what is to be told about them.
    pub(crate) fn resolve(mut self, settings: &Settings) -> Result<(Vec<Startable>, Vec<Warning>), DocumentError> {
        let mut resolver = Resolver {
            settings,
            sets: &self.sets,
            artifacts: &self.artifacts,
            warnings: &mut self.warnings,
            read: HashMap::new(),
            checked: HashSet::new(),
        };
        let mut resolved = Vec::new();
        for document in self.workloads {
            if document.replicas == 0 {
                resolver.warnings.not_started(&document);
                continue;
            }
            resolved.push(resolver.workload(document)?);
        }
        Ok((resolved, self.warnings.0))
    }
}

struct Resolver<'a> {
    settings: &'a Settings,
    sets: &'a ValueSets,
    artifacts: &'a BTreeMap<super::values::Key, Placed<String>>,
    warnings: &'a mut Warnings,
    /// Components that were read already: workloads often share one.
    read: HashMap<PathBuf, Bytes>,
    /// Components that were found to be there, and are read later.
    checked: HashSet<Arc<Path>>,
}

impl Resolver<'_> {
    fn workload(&mut self, document: WorkloadDocument) -> Result<Startable, DocumentError> {
        let WorkloadDocument { namespace, name, annotations, spec, artifacts, .. } = document;
        let mut files = ComponentFiles::default();
        let mut components = Vec::new();
        for component in spec.components {
            components.push(self.component(component, &namespace, &artifacts, &mut files)?);
        }
        let service = spec.service.map(|service| self.service(service, &namespace)).transpose()?;
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
        let files = (self.settings.reading == Reading::OnDemand).then_some(files);
        Ok(Startable { request, files })
    }

    fn component(
        &mut self,
        component: ComponentSpec,
        namespace: &str,
        artifacts: &[(Placed<String>, Placed<String>)],
        files: &mut ComponentFiles,
    ) -> Result<Component, DocumentError> {
        let ComponentSpec { name, image, pool_size, max_invocations, resources } = component;
        let artifact =
            artifacts.iter().find(|(artifact, _)| artifact.value == name.value || artifact.value == image.value);
        let image = match artifact {
            Some((_, reference)) => self.artifact(reference, namespace)?,
            None => image,
        };
        let bytes = match self.settings.reading {
            Reading::AtStart => self.image(&image)?,
            Reading::OnDemand => {
                files.add(&name.value, self.image_on_demand(&image)?);
                Bytes::new()
            }
        };
        Ok(Component {
            name: name.value,
            bytes,
            digest: None,
            local_resources: self.resources(resources, namespace)?,
            pool_size,
            max_invocations,
        })
    }

    fn artifact(&self, reference: &Placed<String>, namespace: &str) -> Result<Placed<String>, DocumentError> {
        let key = (namespace.to_owned(), reference.value.clone());
        self.artifacts.get(&key).cloned().ok_or_else(|| DocumentError::NotFound {
            origin: reference.origin.clone(),
            kind: "Artifact",
            name: format!("{namespace}/{}", reference.value),
            known: self.artifacts.keys().map(|(namespace, name)| format!("{namespace}/{name}")).collect(),
        })
    }

    fn service(&mut self, service: ServiceSpec, namespace: &str) -> Result<Service, DocumentError> {
        let ServiceSpec { image, max_restarts, resources } = service;
        let local_resources = self.resources(resources, namespace)?;
        Ok(Service { bytes: self.image(&image)?, digest: None, local_resources, max_restarts })
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
            environment: resources.environment.resolve(namespace, self.sets)?.into_iter().collect(),
            volume_mounts: resources.mounts.into_iter().map(mount).collect(),
            allowed_hosts: resources.allowed_hosts.map(|hosts| hosts.value).unwrap_or_default(),
        })
    }

    fn host_interface(&mut self, interface: HostInterfaceSpec, namespace: &str) -> Result<WitInterface, DocumentError> {
        let mut config = interface.config.resolve(namespace, self.sets)?;
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

    fn image(&mut self, image: &Placed<String>) -> Result<Bytes, DocumentError> {
        let path = self.image_path(image)?;
        if let Some(bytes) = self.read.get(&path) {
            return Ok(bytes.clone());
        }
        let bytes = source::read_component(&path).map_err(|err| {
            let source = match err {
                SourceError::Read(err) => err,
                err => io::Error::other(err),
            };
            unreadable(image, source)
        })?;
        self.read.insert(path, bytes.clone());
        Ok(bytes)
    }

    /// The file of an image that is read later: it is there, and begins like a component.
    fn image_on_demand(&mut self, image: &Placed<String>) -> Result<Arc<Path>, DocumentError> {
        // The folder that it is relative to may be another by then.
        let path = std::path::absolute(self.image_path(image)?).map_err(|source| unreadable(image, source))?;
        if let Some(path) = self.checked.get(path.as_path()) {
            return Ok(Arc::clone(path));
        }
        check_file(&path).map_err(|source| unreadable(image, source))?;
        let path: Arc<Path> = path.into();
        self.checked.insert(Arc::clone(&path));
        Ok(path)
    }

    fn image_path(&self, image: &Placed<String>) -> Result<PathBuf, DocumentError> {
        let given = self.settings.images.get(&image.value).cloned();
        given.or_else(|| local_path(&image.value, image.origin.file())).ok_or_else(|| DocumentError::Registry {
            origin: image.origin.clone(),
            field: image.field.clone(),
            image: image.value.clone(),
        })
    }
}

fn unreadable(image: &Placed<String>, source: io::Error) -> DocumentError {
    DocumentError::Image { origin: image.origin.clone(), field: image.field.clone(), source }
}

/// The file that an image names, relative to its document; none for a registry's reference.
fn local_path(image: &str, document: &Path) -> Option<PathBuf> {
    let folder = document.parent().unwrap_or(Path::new(""));
    if let Some(path) = image.strip_prefix("file:") {
        // `file:///x` is the same as `file:/x`.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        return Some(folder.join(path));
    }
    let path = folder.join(image);
    let is_path = ["/", "./", "../"].iter().any(|start| image.starts_with(start));
    (is_path || (image.ends_with(".wasm") && path.is_file())).then_some(path)
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
