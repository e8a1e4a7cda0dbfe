//! Answers what a synchronisation asks, from wherever the answer is.
//!
//! Decides between protocols; each of them has a file of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use semver::Version;
use tokio::runtime::Runtime;
use washlib_git::FetchProgress;
use washlib_wit::{
    Cache, Content, Digest, Fetched, Location, PackageId, PackageName, PackageSource, Published, Receipt, Release,
    SourceError, Wanted, select_package,
};

use super::registries::{Access, AccessKind, Registries};
use super::remote::Remote;
use super::{archive, git, local};

/// How many things are fetched at once.
const PARALLEL: usize = 16;

/// How often an interrupt is looked for while answers are waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Hears what is being fetched.
pub trait Watcher: Send + Sync {
    /// So many of so many things have come.
    fn fetched(&self, done: usize, total: usize, what: &str);
}

/// What a [`Sources`] is told.
pub struct SourcesSettings {
    /// Which registries there are.
    pub registries: Registries,
    /// How OCI registries are spoken to.
    pub oci: washlib_oci::Settings,
    /// Whether the network must not be used.
    pub offline: bool,
    /// What was fetched before, for answers without the network.
    pub cache: Cache,
    /// Becomes true when everything shall stop.
    pub interrupted: Arc<AtomicBool>,
    /// Who hears about progress.
    pub watcher: Arc<dyn Watcher>,
}

impl std::fmt::Debug for SourcesSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourcesSettings").field("offline", &self.offline).finish_non_exhaustive()
    }
}

/// Every place that packages come from.
#[derive(Debug)]
pub struct Sources {
    settings: SourcesSettings,
    network: OnceLock<Network>,
}

#[derive(Debug)]
struct Network {
    runtime: Runtime,
    remote: Remote,
}

impl Sources {
    /// Sources with these settings. Starts and contacts nothing.
    pub fn new(settings: SourcesSettings) -> Self {
        Self { settings, network: OnceLock::new() }
    }

    /// The runtime and the clients, made when they are first needed.
    fn network(&self) -> Result<&Network, SourceError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|err| SourceError::Configuration(err.into()))?;
        Ok(self.network.get_or_init(|| Network { runtime, remote: Remote::new(self.settings.oci.clone()) }))
    }

    fn is_interrupted(&self) -> bool {
        self.settings.interrupted.load(Ordering::Relaxed)
    }

    /// Waits for an answer, or for an interrupt.
    fn wait<T>(
        &self,
        network: &Network,
        answer: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        network.runtime.block_on(async {
            let interrupt = async {
                while !self.is_interrupted() {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            };
            tokio::select! {
                answer = answer => answer,
                () = interrupt => Err(SourceError::Interrupted),
            }
        })
    }

    fn refuse_offline(&self, what: &dyn std::fmt::Display) -> Result<(), SourceError> {
        if self.settings.offline { Err(SourceError::Offline { what: what.to_string() }) } else { Ok(()) }
    }

    fn access(&self, registry: &str, package: &PackageName) -> Result<Access, SourceError> {
        self.settings.registries.access(registry, package).map_err(|err| SourceError::Configuration(err.into()))
    }

    /// Fetches a release from the first registry that has the package.
    async fn fetch_release(
        &self,
        network: Option<&Network>,
        package: &PackageName,
        version: &Version,
        registry: Option<&str>,
    ) -> Result<Fetched, SourceError> {
        let candidates = match registry {
            Some(registry) => vec![registry.to_owned()],
            None => self.registries(package)?,
        };
        let mut missing = None;
        for name in candidates {
            let access = self.access(&name, package)?;
            let answer = match &access.kind {
                AccessKind::Local { root } => local::fetch(root, &name, package, version),
                AccessKind::Remote { .. } => match network.filter(|_| !self.settings.offline) {
                    Some(network) => self.fetch_remote(network, &access, package, version).await,
                    None => self.fetch_cached(&name, package, version),
                },
            };
            match answer {
                Ok(bytes) => {
                    let content = Content::Binary(bytes);
                    return Ok(Fetched { registry: Some(name), revision: None, content });
                }
                // The next registry may have it.
                Err(
                    err @ (SourceError::NoSuchPackage { .. }
                    | SourceError::NoSuchVersion { .. }
                    | SourceError::Offline { .. }),
                ) => {
                    missing.get_or_insert(err);
                }
                Err(err) => return Err(err),
            }
        }
        Err(missing.unwrap_or_else(|| no_registry(package)))
    }

    /// What was fetched before is all that there is without the network.
    fn fetch_cached(&self, registry: &str, package: &PackageName, version: &Version) -> Result<Vec<u8>, SourceError> {
        let cache = &self.settings.cache;
        let digest = cache.release(registry, package, version);
        match digest.and_then(|digest| cache.content(&digest)) {
            Some(Content::Binary(bytes)) => Ok(bytes),
            _ => Err(SourceError::Offline { what: format!("{package}@{version}") }),
        }
    }

    async fn fetch_remote(
        &self,
        network: &Network,
        access: &Access,
        package: &PackageName,
        version: &Version,
    ) -> Result<Vec<u8>, SourceError> {
        let registry = network.remote.registry(access, &self.settings.registries).await?;
        registry.fetch(package, version).await.map_err(|err| self.with_nearest(err, package))
    }

    /// A registry does not list what it has; names that were fetched from it before may be what was meant.
    fn with_nearest(&self, err: SourceError, package: &PackageName) -> SourceError {
        match err {
            SourceError::NoSuchPackage { registry, package: name, .. } => {
                let known = self.settings.cache.packages(&registry, package.namespace());
                let names = known.into_iter().map(|name| format!("{}:{name}", package.namespace())).collect();
                let nearest = super::nearest(&name, names);
                SourceError::NoSuchPackage { registry, package: name, nearest }
            }
            err => err,
        }
    }

    async fn fetch_location(
        &self,
        network: &Network,
        package: &PackageId,
        location: &Location,
        revision: Option<&str>,
    ) -> Result<Fetched, SourceError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SourceError::Location {
            package: package.to_string(),
            location: location.to_string(),
            source,
        };
        match location {
            Location::Tarball { url, digest, subfolder } => {
                let bytes = network.remote.archive(url).await.map_err(failed)?;
                let found = Digest::of(&bytes);
                if let Some(expected) = digest.filter(|expected| *expected != found) {
                    let (expected, found) = (expected.to_string(), found.to_string());
                    return Err(SourceError::WrongDigest { what: location.to_string(), expected, found });
                }
                let files = archive::text_files(&bytes, subfolder.as_deref()).map_err(|err| failed(err.into()))?;
                let files = select_package(files, package).map_err(|err| failed(err.into()))?;
                Ok(Fetched { registry: None, revision: None, content: Content::Text(files) })
            }
            Location::Git { url, reference, subfolder } => {
                let reference = revision.or(reference.as_deref());
                let progress = Forward(&*self.settings.watcher);
                let fetched =
                    git::text_files(url, reference, subfolder.as_deref(), &progress, &self.settings.interrupted);
                let (files, commit) = fetched.map_err(|err| match err {
                    git::GitError::Repository(washlib_git::RepositoryError::Interrupted) => SourceError::Interrupted,
                    err => failed(err.into()),
                })?;
                let files = select_package(files, package).map_err(|err| failed(err.into()))?;
                Ok(Fetched { registry: None, revision: Some(commit), content: Content::Text(files) })
            }
            Location::Registry(registry) => {
                let version = package.version.as_ref();
                let version = version.ok_or_else(|| failed("a registry needs a version".into()))?;
                self.fetch_release(Some(network), &package.name, version, Some(registry)).await
            }
            Location::Oci(reference) => network.remote.artifact(reference, revision, package).await,
            other => Err(failed(format!("`{other}` is fetched by nobody").into())),
        }
    }

    async fn fetch_one(&self, network: Option<&Network>, wanted: &Wanted) -> Result<Fetched, SourceError> {
        match wanted {
            Wanted::Release { package, version, registry, .. } => {
                self.fetch_release(network, package, version, registry.as_deref()).await
            }
            Wanted::Location { package, location, revision } => {
                // A registry may be a folder of this machine.
                if !matches!(location, Location::Registry(_)) {
                    self.refuse_offline(location)?;
                }
                match network {
                    Some(network) => self.fetch_location(network, package, location, revision.as_deref()).await,
                    None => Err(SourceError::Offline { what: location.to_string() }),
                }
            }
        }
    }
}

impl Sources {
    /// The versions that one registry has of a package.
    ///
    /// # Errors
    ///
    /// When it cannot be asked or does not know the package.
    pub fn versions_in(&self, registry: &str, package: &PackageName) -> Result<Vec<Version>, SourceError> {
        let access = self.access(registry, package)?;
        match &access.kind {
            AccessKind::Local { root } => local::versions(root, registry, package),
            AccessKind::Remote { .. } => {
                self.refuse_offline(&format!("the list of versions of {package}"))?;
                let network = self.network()?;
                self.wait(network, self.list_remote(network, &access, package))
            }
        }
    }

    fn needs_network(&self, packages: &[PackageName]) -> bool {
        let is_remote = |name: &String, package: &PackageName| {
            self.access(name, package).is_ok_and(|access| matches!(access.kind, AccessKind::Remote { .. }))
        };
        let asks = |package: &PackageName| {
            self.settings.registries.candidates(package).iter().any(|name| is_remote(name, package))
        };
        !self.settings.offline && packages.iter().any(asks)
    }

    /// The versions in the first registry that knows the package.
    async fn list_first(&self, network: Option<&Network>, package: &PackageName) -> Result<Published, SourceError> {
        let mut missing = None;
        for name in self.registries(package)? {
            let access = self.access(&name, package)?;
            let is_from_cache = network.is_none() && matches!(access.kind, AccessKind::Remote { .. });
            let answer = match (&access.kind, network) {
                (AccessKind::Local { root }, _) => local::versions(root, &name, package),
                (AccessKind::Remote { .. }, Some(network)) => self.list_remote(network, &access, package).await,
                (AccessKind::Remote { .. }, None) => self.list_cached(&name, package),
            };
            match answer {
                Ok(versions) => return Ok(Published { registry: name, versions, is_from_cache }),
                Err(err @ SourceError::NoSuchPackage { .. }) => {
                    missing.get_or_insert(err);
                }
                Err(err) => return Err(err),
            }
        }
        Err(missing.unwrap_or_else(|| no_registry(package)))
    }

    /// What was fetched before is all that is known without the network.
    fn list_cached(&self, registry: &str, package: &PackageName) -> Result<Vec<Version>, SourceError> {
        let versions = self.settings.cache.versions(registry, package);
        if versions.is_empty() {
            return Err(SourceError::Offline { what: format!("the list of versions of {package}") });
        }
        Ok(versions)
    }

    async fn list_remote(
        &self,
        network: &Network,
        access: &Access,
        package: &PackageName,
    ) -> Result<Vec<Version>, SourceError> {
        let registry = network.remote.registry(access, &self.settings.registries).await?;
        registry.versions(package).await.map_err(|err| self.with_nearest(err, package))
    }
}

fn no_registry(package: &PackageName) -> SourceError {
    SourceError::NoRegistry { namespace: package.namespace().to_owned() }
}

impl PackageSource for Sources {
    fn registries(&self, package: &PackageName) -> Result<Vec<String>, SourceError> {
        let candidates = self.settings.registries.candidates(package);
        if candidates.is_empty() { Err(no_registry(package)) } else { Ok(candidates) }
    }

    fn fetch(&self, wanted: &[Wanted]) -> Vec<Result<Fetched, SourceError>> {
        let network = match self.network() {
            Ok(network) => network,
            Err(err) => {
                return wanted.iter().map(|_| Err(SourceError::Configuration(err.to_string().into()))).collect();
            }
        };
        let (done, total) = (AtomicUsize::new(0), wanted.len());
        let all = wanted.iter().map(|wanted| {
            let done = &done;
            async move {
                let answer = self.fetch_one(Some(network), wanted).await;
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                self.settings.watcher.fetched(count, total, &name_of(wanted));
                answer
            }
        });
        let all = stream::iter(all).buffered(PARALLEL).collect::<Vec<_>>();
        let answers = self.wait(network, async { Ok(all.await) });
        answers.unwrap_or_else(|_| wanted.iter().map(|_| Err(SourceError::Interrupted)).collect())
    }

    fn versions(&self, packages: &[PackageName]) -> Vec<Result<Published, SourceError>> {
        let network = match self.needs_network(packages).then(|| self.network()).transpose() {
            Ok(network) => network,
            Err(err) => {
                return packages.iter().map(|_| Err(SourceError::Configuration(err.to_string().into()))).collect();
            }
        };
        let all = join_all(packages.iter().map(|package| self.list_first(network, package)));
        let answers = match network {
            Some(network) => self.wait(network, async { Ok(all.await) }),
            // Without a network there is nothing to wait for.
            None => Ok(futures_util::FutureExt::now_or_never(all).unwrap_or_default()),
        };
        answers.unwrap_or_else(|_| packages.iter().map(|_| Err(SourceError::Interrupted)).collect())
    }

    fn publish(&self, release: &Release) -> Result<Receipt, SourceError> {
        let Release { package, version, registry, bytes, .. } = release;
        let name = match registry {
            Some(registry) => registry.clone(),
            None => self.registries(package)?.remove(0),
        };
        let access = self.access(&name, package)?;
        match &access.kind {
            AccessKind::Local { root } => {
                let path = local::publish(root, &name, package, version, bytes)?;
                Ok(Receipt { registry: name, reference: path.display().to_string() })
            }
            AccessKind::Remote { .. } => {
                self.refuse_offline(&name)?;
                let network = self.network()?;
                self.wait(network, async {
                    let registry = network.remote.registry(&access, &self.settings.registries).await?;
                    registry.publish(release).await
                })
            }
        }
    }
}

fn name_of(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Release { package, version, .. } => format!("{package}@{version}"),
        Wanted::Location { package, .. } => package.to_string(),
    }
}

/// Hands a repository's progress on.
struct Forward<'a>(&'a dyn Watcher);

impl FetchProgress for Forward<'_> {
    fn message(&self, text: &str) {
        self.0.fetched(0, 0, text);
    }

    fn position(&self, _done: u64, _total: Option<u64>) {}
}
