//! Decides where every package comes from: the project, `wit.sources`, `wit/deps`, the lock, the cache, a registry.
//!
//! Packages in the binary form carry what they depend on; for those that are text, what they refer to is resolved too.
//! Versions are those that the sources write: one that is missing in a registry is an error, never another version.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};

use crate::cache::content_digest;
use crate::deps_dir::{DepsDir, Owners};
use crate::location::{Location, SourceOverride};
use crate::lock::{Lock, LockedPackage, LockedSource, PATH_SOURCE, requirement};
use crate::manifest::Manifest;
use crate::references::scan;
use crate::source::{Content, Fetched, SourceError, Wanted};
use crate::sync::Context;
use crate::sync_error::SyncError;
use crate::tree::{local_release, read_path};
use crate::{Digest, PackageId, PackageName};

/// Where every package comes from.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    /// The packages, in the order of their names.
    pub packages: BTreeMap<PackageId, Resolved>,
}

/// A package and where it comes from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Where it comes from.
    pub origin: Origin,
    /// Whether the project's own sources name it.
    pub is_direct: bool,
    /// What it is, if that has been looked at already.
    pub(crate) content: Option<Content>,
}

/// Where a package comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// A release in a registry.
    Registry {
        /// The registry, if it is known.
        registry: Option<String>,
        /// What was asked for.
        requirement: String,
        /// The release.
        version: Version,
        /// The digest of its content.
        digest: Digest,
    },
    /// A release in a folder of this machine, named by `wit.sources`, that has the layout of a registry.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The registry that the lock names: where the release was copied from.
        registry: Option<String>,
        /// What was asked for.
        requirement: String,
        /// The release.
        version: Version,
        /// The digest of its content.
        digest: Digest,
    },
    /// A place that `wit.sources` names.
    Location {
        /// The place.
        location: Location,
        /// What it pointed to.
        revision: Option<String>,
        /// The digest of the content.
        digest: Digest,
    },
    /// `wit/deps`, where it was put by hand.
    Vendored {
        /// The file or folder there.
        entry: String,
    },
}

impl Resolution {
    /// The lock that says the same.
    pub fn lock(&self) -> Lock {
        let mut lock = Lock::default();
        for (package, resolved) in &self.packages {
            match &resolved.origin {
                Origin::Registry { registry, requirement, version, digest }
                | Origin::Folder { registry, requirement, version, digest, .. } => lock.packages.push(LockedPackage {
                    name: package.name.clone(),
                    registry: registry.clone(),
                    version: version.clone(),
                    requirement: requirement.clone(),
                    digest: *digest,
                }),
                Origin::Vendored { .. } => {}
                Origin::Location { location, revision, digest } => {
                    let is_path = location.path().is_some();
                    lock.sources.push(LockedSource {
                        package: package.to_string(),
                        source: if is_path { PATH_SOURCE.to_owned() } else { location.to_string() },
                        revision: revision.clone(),
                        digest: (!is_path).then_some(*digest),
                    });
                }
            }
        }
        lock.sort();
        lock
    }
}

/// What `wit.sources` says, and then what the manifest's overrides say.
pub(crate) fn overrides(context: &Context<'_>, manifest: &Manifest) -> Vec<SourceOverride> {
    let of_manifest = manifest.overrides.iter().filter_map(|(name, replacement)| {
        Some(SourceOverride {
            namespace: name.namespace().to_owned(),
            name: Some(name.name().to_owned()),
            version: None,
            location: Location::Path(context.project.root().join(replacement.path.as_ref()?)),
        })
    });
    context.overrides.iter().cloned().chain(of_manifest).collect()
}

pub(crate) struct Resolver<'a> {
    context: &'a Context<'a>,
    overrides: Vec<SourceOverride>,
    requirements: BTreeMap<PackageName, VersionReq>,
    lock: &'a Lock,
    vendored: BTreeMap<PackageId, (String, Vec<PackageId>)>,
    own: BTreeSet<PackageId>,
    forget: &'a [PackageName],
    resolution: Resolution,
    open: BTreeSet<PackageId>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(
        context: &'a Context<'a>,
        manifest: &Manifest,
        lock: &'a Lock,
        deps: &DepsDir,
        owners: &Owners<'_>,
        own: &[PackageId],
        forget: &'a [PackageName],
    ) -> Self {
        let overrides = owners.overrides.to_vec();
        let with_version = manifest.overrides.iter().filter(|(_, replacement)| replacement.path.is_none());
        let requirements =
            with_version.filter_map(|(name, replacement)| Some((name.clone(), replacement.version.clone()?))).collect();
        let mut vendored = BTreeMap::new();
        for entry in deps.vendored(owners) {
            for package in &entry.packages {
                let name = entry.name.to_string_lossy().into_owned();
                vendored.insert(package.clone(), (name, entry.references.clone()));
            }
        }
        let own = own.iter().cloned().collect();
        let resolution = Resolution::default();
        Self { context, overrides, requirements, lock, vendored, own, forget, resolution, open: BTreeSet::new() }
    }

    pub(crate) fn resolve(mut self, direct: Vec<PackageId>) -> Result<Resolution, SyncError> {
        self.open = direct.iter().cloned().collect();
        while !self.open.is_empty() {
            self.context.check_interrupt()?;
            let batch = std::mem::take(&mut self.open);
            let mut missing = Vec::new();
            for package in batch {
                if self.own.contains(&package) || self.resolution.packages.contains_key(&package) {
                    continue;
                }
                if let Some(wanted) = self.find(&package)? {
                    missing.push((package, wanted));
                }
            }
            self.fetch(missing)?;
        }
        for package in direct {
            if let Some(resolved) = self.resolution.packages.get_mut(&package) {
                resolved.is_direct = true;
            }
        }
        Ok(self.resolution)
    }

    /// Resolves one package, without what it refers to.
    pub(crate) fn find_one(mut self, package: &PackageId) -> Result<Resolution, SyncError> {
        if let Some(wanted) = self.find(package)? {
            self.fetch(vec![(package.clone(), wanted)])?;
        }
        Ok(self.resolution)
    }

    /// Resolves a package from what is on this machine, or says what to fetch.
    fn find(&mut self, package: &PackageId) -> Result<Option<Wanted>, SyncError> {
        if let Some(location) = self.location(package) {
            return self.find_location(package, location);
        }
        if let Some((entry, references)) = self.vendored.get(package).cloned() {
            self.open.extend(references);
            self.insert(package, Origin::Vendored { entry }, None);
            return Ok(None);
        }
        let wanted_requirement = self.requirement(package);
        let is_forgotten = self.forget.contains(&package.name);
        let locked = self.lock.find(&package.name, &wanted_requirement).filter(|_| !is_forgotten);
        if let Some(locked) = locked.cloned() {
            self.check_known_release(&locked)?;
            let LockedPackage { registry, version, digest, requirement, .. } = locked;
            self.insert(package, Origin::Registry { registry, requirement, version, digest }, None);
            return Ok(None);
        }
        if let Some(version) = self.exact_version(package) {
            let registries = if is_forgotten { Vec::new() } else { self.context.source.registries(&package.name)? };
            for registry in registries {
                let cached = self.context.cache.release(&registry, &package.name, &version);
                let found = cached.and_then(|digest| Some((digest, self.context.cache.content(&digest)?)));
                if let Some((digest, content)) = found {
                    let requirement = wanted_requirement;
                    let origin = Origin::Registry { registry: Some(registry), requirement, version, digest };
                    self.insert(package, origin, Some(content));
                    return Ok(None);
                }
            }
            return Ok(Some(release(package, version)));
        }
        self.newest(package).map(|version| Some(release(package, version)))
    }

    /// The place that the most exact override names.
    fn location(&self, package: &PackageId) -> Option<Location> {
        let exactness = |replacement: &SourceOverride| replacement.exactness(package);
        let mut best: Option<(u8, &SourceOverride)> = None;
        for replacement in &self.overrides {
            // Of equals the first counts: `wit.sources` come before the manifest's overrides.
            if let Some(exactness) = exactness(replacement)
                && best.is_none_or(|(best, _)| exactness > best)
            {
                best = Some((exactness, replacement));
            }
        }
        best.map(|(_, replacement)| replacement.location.clone())
    }

    fn find_location(&mut self, package: &PackageId, location: Location) -> Result<Option<Wanted>, SyncError> {
        if let Some(path) = location.path() {
            if self.find_in_folder(package, path)? {
                return Ok(None);
            }
            let content = read_path(path, package)?;
            let digest = content_digest(&content);
            self.open_references(&content);
            self.insert(package, Origin::Location { location, revision: None, digest }, Some(content));
            return Ok(None);
        }
        let source = location.to_string();
        let name = package.to_string();
        let is_forgotten = self.forget.contains(&package.name);
        let is_same = |locked: &&LockedSource| locked.package == name && locked.source == source && !is_forgotten;
        let locked = self.lock.sources.iter().find(is_same);
        if let Some(locked) = locked
            && let Some(digest) = locked.digest
            && let Some(content) = self.context.cache.content(&digest)
        {
            let revision = locked.revision.clone();
            self.open_references(&content);
            self.insert(package, Origin::Location { location, revision, digest }, Some(content));
            return Ok(None);
        }
        let revision = locked.and_then(|locked| locked.revision.clone());
        Ok(Some(Wanted::Location { package: package.clone(), location, revision }))
    }

    /// Takes a release from a folder in the layout of a registry, if it is there. It is held to the lock as a registry is,
    /// so that a copy of the locked releases can take the registry's place.
    fn find_in_folder(&mut self, package: &PackageId, path: &Path) -> Result<bool, SyncError> {
        let requirement = self.requirement(package);
        let locked = self.lock.find(&package.name, &requirement);
        let held = locked.filter(|_| !self.forget.contains(&package.name));
        let Some(version) = held.map(|locked| &locked.version).or(package.version.as_ref()) else { return Ok(false) };
        let Some(bytes) = local_release(path, &package.name, version)? else { return Ok(false) };
        let content = Content::Binary(bytes);
        let digest = content_digest(&content);
        let release = package.name.at(Some(version.clone()));
        let holder = format!("`{}` has", path.display());
        match held {
            Some(LockedPackage { digest: locked, .. }) if *locked != digest => {
                let package = release.to_string();
                return Err(SyncError::LockMismatch { package, locked: *locked, holder, found: digest });
            }
            Some(_) => {}
            None => crate::render::check_package(&content, package, &release, &format!("`{}`", path.display()))?,
        }
        let registry = locked.and_then(|locked| locked.registry.clone());
        let (path, version) = (path.to_owned(), version.clone());
        self.insert(package, Origin::Folder { path, registry, requirement, version, digest }, Some(content));
        Ok(true)
    }

    /// A lock that contradicts what the registry is known to have is wrong, or the registry has been changed.
    fn check_known_release(&self, locked: &LockedPackage) -> Result<(), SyncError> {
        let Some(registry) = &locked.registry else { return Ok(()) };
        match self.context.cache.release(registry, &locked.name, &locked.version) {
            Some(found) if found != locked.digest => Err(SyncError::LockMismatch {
                package: format!("{}@{}", locked.name, locked.version),
                holder: format!("the cache, which has it from `{registry}`, has"),
                locked: locked.digest,
                found,
            }),
            _ => Ok(()),
        }
    }

    fn requirement(&self, package: &PackageId) -> String {
        let requirement_of_sources = || requirement(package.version.as_ref());
        self.requirements.get(&package.name).map_or_else(requirement_of_sources, ToString::to_string)
    }

    /// The one version that will do, if there is only one.
    fn exact_version(&self, package: &PackageId) -> Option<Version> {
        if self.requirements.contains_key(&package.name) { None } else { package.version.clone() }
    }

    /// The newest version that meets the manifest's requirement; without one, the newest release.
    fn newest(&self, package: &PackageId) -> Result<Version, SyncError> {
        let answers = self.context.source.versions(std::slice::from_ref(&package.name));
        let published = answers.into_iter().next().unwrap_or_else(|| Ok(Default::default()))?;
        let requirement = self.requirements.get(&package.name);
        let fits = |version: &&Version| requirement.is_none_or(|requirement| requirement.matches(version));
        let fitting = published.versions.iter().filter(fits);
        let newest =
            fitting.max_by_key(|version| (version.pre.is_empty() || requirement.is_some(), (*version).clone()));
        newest.cloned().ok_or_else(|| {
            let mut available = published.versions.clone();
            available.sort_by(|a, b| b.cmp(a));
            let version = self.requirement(package);
            let (registry, package) = (published.registry.clone(), package.name.to_string());
            SourceError::NoSuchVersion { registry, package, version, available }.into()
        })
    }

    fn fetch(&mut self, missing: Vec<(PackageId, Wanted)>) -> Result<(), SyncError> {
        if missing.is_empty() {
            return Ok(());
        }
        let (packages, wanted): (Vec<PackageId>, Vec<Wanted>) = missing.into_iter().unzip();
        let answers = self.context.source.fetch(&wanted);
        // All that came is kept, even when something else did not: the next attempt is shorter.
        let mut first_error = None;
        for ((package, wanted), answer) in packages.iter().zip(&wanted).zip(answers) {
            match answer {
                Ok(fetched) => self.accept(package, wanted, fetched)?,
                Err(err) => {
                    first_error.get_or_insert(err);
                }
            }
        }
        first_error.map_or(Ok(()), |err| Err(err.into()))
    }

    fn accept(&mut self, package: &PackageId, wanted: &Wanted, fetched: Fetched) -> Result<(), SyncError> {
        let Fetched { registry, revision, content } = fetched;
        let origin_text = registry.clone().map_or_else(|| "the source".to_owned(), |registry| format!("`{registry}`"));
        match wanted {
            Wanted::Release { version, .. } => {
                let expected = package.name.at(Some(version.clone()));
                crate::render::check_package(&content, package, &expected, &origin_text)?;
                let digest = self.context.cache.put_content(&content);
                if let Some(registry) = &registry {
                    self.context.cache.put_release(registry, &package.name, version, &digest);
                }
                let requirement = self.requirement(package);
                let origin = Origin::Registry { registry, requirement, version: version.clone(), digest };
                self.insert(package, origin, Some(content));
            }
            Wanted::Location { location, .. } => {
                crate::render::check_package(&content, package, package, &format!("`{location}`"))?;
                let digest = self.context.cache.put_content(&content);
                self.check_locked_source(package, location, digest)?;
                self.open_references(&content);
                let origin = Origin::Location { location: location.clone(), revision, digest };
                self.insert(package, origin, Some(content));
            }
        }
        Ok(())
    }

    /// What is locked must not change by itself.
    fn check_locked_source(&self, package: &PackageId, location: &Location, found: Digest) -> Result<(), SyncError> {
        if self.forget.contains(&package.name) {
            return Ok(());
        }
        let (name, source) = (package.to_string(), location.to_string());
        let is_same = |locked: &&LockedSource| locked.package == name && locked.source == source;
        match self.lock.sources.iter().find(is_same) {
            Some(LockedSource { digest: Some(locked), .. }) if *locked != found => {
                let holder = format!("`{source}` gave");
                Err(SyncError::LockMismatch { package: name, locked: *locked, holder, found })
            }
            _ => Ok(()),
        }
    }

    fn insert(&mut self, package: &PackageId, origin: Origin, content: Option<Content>) {
        self.resolution.packages.insert(package.clone(), Resolved { origin, is_direct: false, content });
    }

    /// What text refers to is resolved in turn; binary packages have it inside.
    fn open_references(&mut self, content: &Content) {
        let Content::Text(files) = content else { return };
        let mut own = BTreeSet::new();
        let mut references = BTreeSet::new();
        for file in files {
            let scan = scan(&file.text);
            own.extend(scan.headers.into_iter().map(|header| header.package));
            references.extend(scan.references.into_iter().map(|reference| reference.package));
        }
        self.open.extend(references.difference(&own).cloned());
    }
}

fn release(package: &PackageId, version: Version) -> Wanted {
    Wanted::Release { package: package.name.clone(), version, registry: None, digest: None }
}
