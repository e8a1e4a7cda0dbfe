//! wasm-pkg's OCI registries: a repository `<prefix><namespace>/<name>` for each package, a tag for each version, and
//! the package as the first layer.

use semver::Version;
use washlib_oci::manifest::{Descriptor, Document, annotation, media_type};
use washlib_oci::{Artifact, ArtifactOptions, Client, Network, RawManifest, RegistryError, Repository, Unwatched};
use washlib_wit::{PackageName, Receipt, Release, SourceError};

/// The largest package that is fetched, in bytes.
pub(super) const MAX_PACKAGE: u64 = 64 * 1024 * 1024;

/// A registry, and where packages are in it.
#[derive(Clone, Debug)]
pub(super) struct OciRegistry {
    /// Speaks to the registry with its credentials.
    pub(super) client: Client,
    /// The registry's name in configuration and lock.
    pub(super) name: String,
    /// The host that has the packages, and the beginning of their repositories: `ghcr.io/webassembly/`.
    pub(super) place: String,
    /// Where the credentials are configured, if they are not looked for where tools keep them.
    pub(super) login_origin: Option<String>,
}

impl OciRegistry {
    fn repository(&self, package: &PackageName) -> Result<Repository, SourceError> {
        let text = format!("{}{}/{}", self.place, package.namespace(), package.name());
        text.parse().map_err(|err| SourceError::Registry {
            registry: self.name.clone(),
            what: package.to_string(),
            source: Box::new(err),
        })
    }

    /// The versions of a package. Tags that are no versions are signatures and the like.
    pub(super) async fn versions(&self, package: &PackageName) -> Result<Vec<Version>, SourceError> {
        let repository = self.repository(package)?;
        let tags = self.client.tags(&repository, &Unwatched).await.map_err(|err| self.failed(err, package, None))?;
        Ok(tags.iter().filter_map(|tag| version(tag)).collect())
    }

    /// The bytes of a release.
    pub(super) async fn fetch(&self, package: &PackageName, version: &Version) -> Result<Vec<u8>, SourceError> {
        let repository = self.repository(package)?;
        match self.fetch_layer(&repository, version).await {
            Ok(bytes) => Ok(bytes),
            // Whether the version is missing or the whole package, only the list can tell.
            Err(err) if err.is_not_found() => {
                let mut available = self.versions(package).await?;
                available.sort_by(|a, b| b.cmp(a));
                let (registry, package) = (self.name.clone(), package.to_string());
                Err(SourceError::NoSuchVersion { registry, package, version: version.to_string(), available })
            }
            Err(err) => Err(self.failed(err, package, Some(version))),
        }
    }

    async fn fetch_layer(&self, repository: &Repository, version: &Version) -> Result<Vec<u8>, RegistryError> {
        let reference = repository.with_tag(&tag(version)).map_err(|err| RegistryError::Setting(err.to_string()))?;
        let raw = self.client.manifest(&reference, &Unwatched).await?;
        enforce(&self.client, repository, &raw).await.map_err(|err| RegistryError::Setting(err.to_string()))?;
        let layer = layer(raw.document()?, &reference.to_string())?;
        let blob = self.client.blob(repository, &layer, &Unwatched).await?;
        Ok(blob.read()?)
    }

    /// Publishes a release under its version. The caller has made sure that the version is new.
    pub(super) async fn publish(&self, release: &Release) -> Result<Receipt, SourceError> {
        let Release { package, version, bytes, annotations, .. } = release;
        let repository = self.repository(package)?;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SourceError::Registry {
            registry: self.name.clone(),
            what: format!("{package}@{version}"),
            source,
        };
        let mut options =
            ArtifactOptions { title: Some(format!("{}.wasm", package.name())), ..ArtifactOptions::default() };
        options.annotations = annotations.iter().cloned().collect();
        options.annotations.insert(annotation::VERSION.to_owned(), version.to_string());
        let artifact = Artifact::new(bytes.clone(), &options).map_err(|err| failed(err.into()))?;
        let reference = repository.with_tag(&tag(version)).map_err(|err| failed(err.into()))?;
        // Nobody else's release of the same version is replaced.
        match self.client.resolve(&reference, &Unwatched).await {
            Ok(_) => {
                let (registry, package) = (self.name.clone(), format!("{package}@{version}"));
                return Err(SourceError::AlreadyPublished { registry, package });
            }
            Err(err) if err.is_not_found() => {}
            Err(err) => return Err(self.failed(err, package, Some(version))),
        }
        let pushed = self.client.push(&repository, &[tag(version)], &artifact, &Unwatched).await;
        let pushed = pushed.map_err(|err| self.failed(err, package, Some(version)))?;
        Ok(Receipt { registry: self.name.clone(), reference: format!("{reference}@{}", pushed.digest) })
    }

    fn failed(&self, err: RegistryError, package: &PackageName, version: Option<&Version>) -> SourceError {
        let what = version.map_or_else(|| package.to_string(), |version| format!("{package}@{version}"));
        match err {
            RegistryError::NotFound { .. } => SourceError::NoSuchPackage {
                registry: self.name.clone(),
                package: package.to_string(),
                nearest: Vec::new(),
            },
            err => source_error(err, &self.name, &what, self.login_origin.as_deref()),
        }
    }
}

/// Anything but an answer that there is no such thing. `login` says where the credentials are configured.
pub(super) fn source_error(err: RegistryError, registry: &str, what: &str, login: Option<&str>) -> SourceError {
    let (registry, what) = (registry.to_owned(), what.to_owned());
    match err {
        RegistryError::Denied { .. } => {
            SourceError::Unauthorized { registry, what, login: login.map(str::to_owned), source: Box::new(err) }
        }
        RegistryError::Connect { .. }
        | RegistryError::PlainHttp { .. }
        | RegistryError::ProxyUnreachable { .. }
        | RegistryError::ProxyFailed { .. }
        | RegistryError::TimedOut { .. } => SourceError::Unreachable { registry, source: Box::new(err) },
        err => SourceError::Registry { registry, what, source: Box::new(err) },
    }
}

/// What the user's configuration demands to be signed must be signed, packages too.
pub(super) async fn enforce(
    client: &Client,
    repository: &Repository,
    manifest: &RawManifest,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    client.enforce(repository, &[&manifest.digest], &[], Network::Online, &Unwatched).await?;
    Ok(())
}

/// The layer that holds the package.
pub(super) fn layer(document: Document, reference: &str) -> Result<Descriptor, RegistryError> {
    let protocol = |reason: &str| RegistryError::Setting(format!("{reference} {reason}"));
    let Document::Manifest(manifest) = document else {
        return Err(protocol("is an index of artifacts, not a package"));
    };
    let is_wasm = |layer: &&Descriptor| layer.media_type == media_type::WASM;
    let layer = manifest.layers.iter().find(is_wasm).or(manifest.layers.first());
    let layer = layer.cloned().ok_or_else(|| protocol("has no content"))?;
    if layer.size > MAX_PACKAGE {
        return Err(RegistryError::TooLarge { what: reference.to_owned(), limit: MAX_PACKAGE });
    }
    Ok(layer)
}

/// A version as a tag: build metadata, whose `+` no tag may have, is written as Helm writes it.
fn tag(version: &Version) -> String {
    version.to_string().replace('+', "_")
}

fn version(tag: &str) -> Option<Version> {
    tag.replacen('_', "+", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_become_tags_and_come_back() {
        for text in ["0.2.0", "0.2.0-draft", "1.0.0+build.1"] {
            let parsed: Version = text.parse().unwrap();
            let tag = tag(&parsed);
            assert!(!tag.contains('+'));
            assert_eq!(version(&tag), Some(parsed));
        }
        for tag in ["latest", "sha256-abc", "v1"] {
            assert_eq!(version(tag), None);
        }
    }
}
