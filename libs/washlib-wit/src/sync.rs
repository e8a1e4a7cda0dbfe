//! Brings sources, lock and `wit/deps` into agreement: the one operation behind fetch, add, remove, update and check.
//!
//! First everything is decided and fetched (a [`Plan`], which changes nothing), then it is written at once. What the
//! lock confirms and the disk or the cache holds is asked of nobody.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cache::{Rendered, RenderedPackage};
use crate::deps_dir::{DepsDir, Entry, NO_RELEASES, Owners};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::project::{WitProject, WitSources, own_packages};
use crate::render::Rendering;
use crate::resolve::{Origin, Resolution, Resolver, overrides};
use crate::source::Content;
use crate::sync_error::SyncError;
use crate::write::Change;
use crate::{Cache, PackageId, PackageName, PackageSource, SourceError, SourceOverride, render, unlocked};

/// What a synchronisation works with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The project.
    pub project: &'a WitProject,
    /// What `wit.sources` says.
    pub overrides: &'a [SourceOverride],
    /// Where packages come from.
    pub source: &'a dyn PackageSource,
    /// What is on this machine already.
    pub cache: &'a Cache,
    /// Becomes true when everything shall stop.
    pub interrupted: &'a AtomicBool,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("project", &self.project).finish_non_exhaustive()
    }
}

impl Context<'_> {
    pub(crate) fn check_interrupt(&self) -> Result<(), SyncError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(SyncError::Interrupted) } else { Ok(()) }
    }
}

/// Whether the lock may change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LockPolicy {
    /// It is brought up to date.
    #[default]
    Update,
    /// A change is an error.
    Keep,
}

/// What counts of `wit/deps` as it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Existing {
    /// All of it: what the lock does not own was put there by hand.
    #[default]
    Keep,
    /// Only what the lock does not own.
    Discard,
}

/// What is done where `wit/deps` has a package by name and version, but its content is not on this machine to compare with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Comparison {
    /// What is there must do, so that nothing needs the network.
    #[default]
    Cached,
    /// The content is fetched; where nobody may be asked, what is there must do.
    Fetched,
}

/// What is done about packages in `wit/deps` when there is no lock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unlocked {
    /// They are used as they are, and nobody is asked.
    #[default]
    Keep,
    /// Those that are exactly what a registry published are locked again.
    Lock,
}

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Whether the lock may change.
    pub lock: LockPolicy,
    /// What counts of `wit/deps` as it is.
    pub existing: Existing,
    /// What is done when there is no lock.
    pub unlocked: Unlocked,
    /// What is done for a comparison with `wit/deps`.
    pub comparison: Comparison,
    /// Packages for which neither the lock nor what was fetched before counts.
    pub forget: Vec<PackageName>,
}

/// What is to be done to bring everything into agreement.
#[derive(Debug)]
pub struct Plan {
    /// The sources as they shall be.
    pub(crate) sources: WitSources,
    /// The packages that the sources define, the main one first.
    pub(crate) own: Vec<PackageId>,
    /// Where every package comes from.
    pub resolution: Resolution,
    /// The lock as it is.
    pub old_lock: Lock,
    /// The lock as it shall be.
    pub new_lock: Lock,
    /// Whether the lock's file is to be written.
    pub(crate) writes_lock: bool,
    /// What changes in `wit/deps`.
    pub changes: Vec<Change>,
    /// Packages of `wit/deps` whose content is not on this machine. With any of them, nothing was compared.
    pub not_compared: Vec<PackageId>,
    /// Every package of `wit/deps` as it shall be, with what it refers to.
    pub packages: Vec<PlannedPackage>,
    /// Names of the entries of `wit/deps` that are not ours to change.
    pub vendored: Vec<String>,
}

/// A package in `wit/deps`.
#[derive(Clone, Debug)]
pub struct PlannedPackage {
    /// The package.
    pub package: PackageId,
    /// The packages that it refers to.
    pub references: Vec<PackageId>,
    /// Whether it is there by hand.
    pub is_vendored: bool,
}

impl Plan {
    /// Whether what is in `wit/deps` could be compared with what was published.
    pub fn is_verified(&self) -> bool {
        self.not_compared.is_empty()
    }

    /// Whether sources, lock and `wit/deps` agree already, as far as that is known.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.writes_lock && self.sources.changed().next().is_none()
    }

    /// The sources that change, relative to the project.
    pub fn edited_files(&self) -> Vec<String> {
        self.sources.changed_files()
    }

    /// The project's own package.
    pub fn own_package(&self) -> String {
        self.own.first().map(ToString::to_string).unwrap_or_default()
    }
}

/// Decides what is to be done for `sources`.
///
/// # Errors
///
/// When the project is invalid, a package cannot be had, or the lock would have to change although it must not.
pub fn plan(context: &Context<'_>, sources: WitSources, options: &PlanOptions) -> Result<Plan, SyncError> {
    if options.unlocked == Unlocked::Lock && unlocked::is_unlocked(context) {
        return unlocked::plan(context, &sources, options);
    }
    plan_with(context, sources, options, &NO_RELEASES)
}

/// The same, taking the entries of `wit/deps` in `releases` for what fetches left.
pub(crate) fn plan_with(
    context: &Context<'_>,
    sources: WitSources,
    options: &PlanOptions,
    releases: &BTreeSet<OsString>,
) -> Result<Plan, SyncError> {
    let project = context.project;
    let manifest = read_manifest(project)?;
    let old_lock = Lock::read(&project.lock_path()).map_err(crate::ProjectError::from)?;
    let group = sources.parse()?;
    let deps = DepsDir::read(&project.deps_dir(), |path| project.shown(path))?;
    let overrides = overrides(context, &manifest);
    let owners = Owners { lock: &old_lock, overrides: &overrides, releases };
    let (deps, discarded) = split(deps, options.existing, &owners);
    let own = own_packages(&group);
    let foreign = crate::project::foreign_packages(&group);
    let resolver = Resolver::new(context, &manifest, &old_lock, &deps, &owners, &own, &options.forget);
    let mut resolution = resolver.resolve(foreign)?;
    let new_lock = resolution.lock();
    let is_locked = new_lock.is_same(&old_lock);
    if options.lock == LockPolicy::Keep && !is_locked {
        return Err(SyncError::LockWouldChange { changes: crate::lock_changes(&old_lock, &new_lock) });
    }
    // Paths of this machine alone are worth a lock, but no change of one.
    let is_first = options.lock == LockPolicy::Update && new_lock != old_lock && !project.lock_path().exists();
    let rendering = render::render(context, &sources, group, &mut resolution, &deps, &owners, options.comparison)?;
    let mut changes = Vec::new();
    let mut packages = Vec::new();
    let vendored: Vec<_> = deps.vendored(&owners).into_iter().cloned().collect();
    let (rendered, not_compared) = match rendering {
        Rendering::Texts(texts) => (Some(texts), Vec::new()),
        Rendering::Unknown(packages) => (None, packages),
    };
    let rendered = rendered.map(|Rendered { texts, published }| {
        // What wkg leaves is as good: it has every version that packages were published against.
        let is_as_published = !published.is_empty() && differences(&published, &deps, &owners).is_empty();
        if is_as_published { published } else { texts }
    });
    if let Some(expected) = &rendered {
        changes = differences(expected, &deps, &owners);
        packages = expected.iter().filter_map(planned).collect();
        packages.extend(vendored.iter().flat_map(planned_vendored));
    } else {
        packages.extend(deps.entries.iter().flat_map(planned_vendored));
    }
    changes.extend(discarded.into_iter().filter_map(|entry| {
        let is_expected = rendered.iter().flatten().any(|package| Some(&*package.folder_name()) == entry.name.to_str());
        (!is_expected).then_some(Change::Remove { entry: entry.name })
    }));
    Ok(Plan {
        sources,
        own,
        resolution,
        new_lock,
        writes_lock: !is_locked || is_first,
        changes,
        not_compared,
        packages,
        vendored: vendored.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect(),
        old_lock,
    })
}

fn read_manifest(project: &WitProject) -> Result<Manifest, SyncError> {
    let manifest = Manifest::read(&project.manifest_path()).map_err(crate::ProjectError::from)?;
    if manifest.is_workspace {
        return Err(SyncError::Workspace { path: project.manifest_path() });
    }
    Ok(manifest)
}

/// Finds one package as a synchronisation would, and what is in it.
///
/// # Errors
///
/// When it cannot be had.
pub fn find(context: &Context<'_>, package: &PackageId) -> Result<Content, SyncError> {
    let project = context.project;
    let manifest = read_manifest(project)?;
    let lock = Lock::read(&project.lock_path()).map_err(crate::ProjectError::from)?;
    let deps = DepsDir::read(&project.deps_dir(), |path| project.shown(path))?;
    let overrides = overrides(context, &manifest);
    let owners = Owners { lock: &lock, overrides: &overrides, releases: &NO_RELEASES };
    let resolver = Resolver::new(context, &manifest, &lock, &deps, &owners, &[], &[]);
    let mut resolution = resolver.find_one(package)?;
    render::load_contents(context, &mut resolution)?;
    let missing = || SourceError::Offline { what: package.to_string() };
    let resolved = resolution.packages.remove(package).ok_or_else(missing)?;
    if let Origin::Vendored { entry } = &resolved.origin {
        let entry = deps.entries.iter().find(|other| other.name.to_string_lossy() == *entry);
        return entry.and_then(Entry::content).ok_or_else(|| missing().into());
    }
    resolved.content.ok_or_else(|| missing().into())
}

/// What counts, and what does not.
fn split(deps: DepsDir, existing: Existing, owners: &Owners<'_>) -> (DepsDir, Vec<Entry>) {
    match existing {
        Existing::Keep => (deps, Vec::new()),
        Existing::Discard => {
            let owned = deps.owned(owners);
            let (discarded, kept) = deps.entries.into_iter().partition(|entry| owned.contains(&entry.name));
            (DepsDir { entries: kept }, discarded)
        }
    }
}

/// What is missing, different or no longer needed.
fn differences(expected: &[RenderedPackage], deps: &DepsDir, owners: &Owners<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for package in expected {
        let entry = deps.generated(&package.package);
        let is_same = entry.and_then(|entry| entry.generated_text()).is_some_and(|text| package.is_same(text));
        if !is_same {
            let text = package.text.clone();
            // A binary file that a fetch of wkg left gives way to the folder.
            if let Some(entry) = entry.filter(|entry| entry.name != *package.folder_name()) {
                changes.push(Change::Remove { entry: entry.name.clone() });
            }
            let is_new = entry.is_none();
            changes.push(Change::Write {
                package: package.package.clone(),
                entry: package.folder_name(),
                text,
                is_new,
            });
        }
    }
    let is_expected = |name: &std::ffi::OsStr| {
        expected.iter().any(|package| {
            name == &*package.folder_name()
                || Some(name) == deps.generated(&package.package).map(|entry| entry.name.as_os_str())
        })
    };
    for name in deps.owned(owners).into_iter().filter(|name| !is_expected(name)) {
        changes.push(Change::Remove { entry: name });
    }
    changes
}

fn planned(package: &RenderedPackage) -> Option<PlannedPackage> {
    let scan = crate::references::scan(&package.text);
    let mut references: Vec<_> = scan.references.into_iter().map(|reference| reference.package).collect();
    references.sort();
    references.dedup();
    Some(PlannedPackage { package: package.package.parse().ok()?, references, is_vendored: false })
}

fn planned_vendored(entry: &Entry) -> Vec<PlannedPackage> {
    let of = |package: &PackageId| PlannedPackage {
        package: package.clone(),
        references: entry.references.clone(),
        is_vendored: !entry.is_generated,
    };
    entry.packages.iter().map(of).collect()
}
