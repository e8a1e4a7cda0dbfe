//! The images that documents name: files beside them, and references of registries.
//!
//! Pulls and reads nothing: it says what is wanted, with which credentials and when a registry is to be asked.

use std::path::{Path, PathBuf};

use wash_runtime::oci::client::credentials::DocumentCredentials;
use wash_runtime::oci::client::{PullPolicy, Reference, Secret};

use super::Warnings;
use super::error::DocumentError;
use super::object::{Documents, WorkloadDocument};
use super::reader::{Placed, Table};
use super::resolve::Settings;
use super::spec::ComponentSpec;
use super::values::{Key, reference};
use crate::startable::Reading;

/// Where a secret of the type `kubernetes.io/dockerconfigjson` has its text.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// How a document names an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageSpec {
    pub(crate) name: Placed<String>,
    pull_secret: Option<Placed<String>>,
    pull_policy: Option<PullPolicy>,
}

/// An image of a registry.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct RegistryImage {
    pub(crate) reference: Reference,
    pub(crate) policy: PullPolicy,
    /// The secret with credentials for it, if that is among the documents.
    pub(crate) secret: Option<Key>,
}

/// What an image turns out to be.
pub(super) enum Located {
    File(PathBuf),
    Registry(RegistryImage),
}

impl ImageSpec {
    /// Reads what artifacts have too.
    pub(crate) fn read(table: &mut Table<'_>) -> Result<Self, DocumentError> {
        let name = table.required("image")?.text()?;
        let pull_secret = table.optional("imagePullSecret").map(|field| reference(&field)).transpose()?;
        Ok(Self { name, pull_secret, pull_policy: None })
    }

    /// Reads what components and services have.
    pub(crate) fn read_with_policy(table: &mut Table<'_>) -> Result<Self, DocumentError> {
        let mut image = Self::read(table)?;
        let Some(field) = table.optional("imagePullPolicy") else { return Ok(image) };
        image.pull_policy = Some(match field.one_of(&["Always", "IfNotPresent", "Never"])?.value.as_str() {
            "Always" => PullPolicy::Always,
            "Never" => PullPolicy::Never,
            _ => PullPolicy::IfNotPresent,
        });
        Ok(image)
    }
}

impl Documents {
    /// The images that a registry must give before the host starts, and whether any may be wanted later.
    pub(crate) fn registry_images(&self, settings: &Settings) -> Result<(Vec<RegistryImage>, Later), DocumentError> {
        let (mut now, mut later) = (Vec::new(), Later::Nothing);
        for workload in self.workloads.iter().filter(|workload| workload.replicas > 0) {
            for component in &workload.spec.components {
                let Located::Registry(image) = self.locate(&self.image_of(component, workload)?, workload, settings)?
                else {
                    continue;
                };
                match settings.reading {
                    Reading::AtStart => now.push(image),
                    Reading::OnDemand => later = Later::Images,
                }
            }
            // Services run from the start.
            let Some(service) = &workload.spec.service else { continue };
            if let Located::Registry(image) = self.locate(&service.image, workload, settings)? {
                now.push(image);
            }
        }
        Ok((now, later))
    }

    /// The credentials in a secret.
    pub(crate) fn docker_config(&self, secret: &Key) -> Option<DocumentCredentials> {
        let text = Secret::new(self.sets.secrets.get(secret)?.text(DOCKER_CONFIG)?);
        let (namespace, name) = secret;
        Some(DocumentCredentials { text, origin: format!("the Secret `{namespace}/{name}`") })
    }

    /// A component's image, or that of the artifact which stands for it.
    pub(super) fn image_of(
        &self,
        component: &ComponentSpec,
        workload: &WorkloadDocument,
    ) -> Result<ImageSpec, DocumentError> {
        let (name, image) = (&component.name.value, &component.image.name.value);
        let Some((_, reference)) =
            workload.artifacts.iter().find(|(artifact, _)| artifact.value == *name || artifact.value == *image)
        else {
            return Ok(component.image.clone());
        };
        let key = (workload.namespace.clone(), reference.value.clone());
        let Some(artifact) = self.artifacts.get(&key) else {
            return Err(DocumentError::NotFound {
                origin: reference.origin.clone(),
                kind: "Artifact",
                name: format!("{}/{}", workload.namespace, reference.value),
                known: self.artifacts.keys().map(|(namespace, name)| format!("{namespace}/{name}")).collect(),
            });
        };
        Ok(ImageSpec { pull_policy: component.image.pull_policy, ..artifact.clone() })
    }

    pub(super) fn locate(
        &self,
        image: &ImageSpec,
        workload: &WorkloadDocument,
        settings: &Settings,
    ) -> Result<Located, DocumentError> {
        let name = &image.name;
        let given = settings.files.get(&name.value).cloned();
        if let Some(path) = given.or_else(|| local_path(&name.value, name.origin.file())) {
            return Ok(Located::File(path));
        }
        let reference = name.value.parse().map_err(|source| DocumentError::Reference {
            origin: name.origin.clone(),
            field: name.field.clone(),
            source,
        })?;
        let secret = image.pull_secret.as_ref().map(|secret| (workload.namespace.clone(), secret.value.clone()));
        let secret = secret.filter(|key| self.sets.secrets.contains_key(key));
        if let (Some(key), Some(placed)) = (&secret, &image.pull_secret)
            && self.docker_config(key).is_none()
        {
            let reason = format!("names the Secret `{}`, which has no text `{DOCKER_CONFIG}`", placed.value);
            return Err(placed.invalid(reason));
        }
        Ok(Located::Registry(RegistryImage {
            reference,
            policy: image.pull_policy.or(settings.pull_policy).unwrap_or_default(),
            secret,
        }))
    }
}

/// Whether registries are asked while the host runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Later {
    Nothing,
    Images,
}

impl Warnings {
    /// Notes a secret that only the cluster has.
    pub(super) fn note_secret(&mut self, image: &ImageSpec, located: &Located) {
        if let (Some(secret), Located::Registry(RegistryImage { secret: None, .. })) = (&image.pull_secret, located) {
            let text = format!(
                "`{}` names the Secret `{}`, which is not among the documents: your own credentials are used",
                secret.field, secret.value
            );
            self.push(super::Warning { origin: secret.origin.clone(), text });
        }
    }
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
