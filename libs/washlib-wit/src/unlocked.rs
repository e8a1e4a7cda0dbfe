//! Plans for a project without a lock, in whose `wit/deps` there is what a fetch may have left.
//!
//! A package that is exactly what a registry published is a release, and is locked again. Anything else was put there by
//! hand, and stays as it is.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::PackageId;
use crate::deps_dir::{DepsDir, Entry};
use crate::project::WitSources;
use crate::resolve::Origin;
use crate::source::SourceError;
use crate::sync::{Comparison, Context, LockPolicy, Plan, PlanOptions, plan_with};
use crate::sync_error::SyncError;
use crate::write::Change;

/// Whether there is no lock, or an empty file, as a program that was killed can leave behind.
pub(crate) fn is_unlocked(context: &Context<'_>) -> bool {
    std::fs::metadata(context.project.lock_path()).map_or(true, |metadata| metadata.is_file() && metadata.len() == 0)
}

/// Decides which packages are releases, as far as registries say so.
pub(crate) fn plan(context: &Context<'_>, sources: &WitSources, options: &PlanOptions) -> Result<Plan, SyncError> {
    let deps = DepsDir::read(&context.project.deps_dir(), |path| context.project.shown(path))?;
    let free = PlanOptions { lock: LockPolicy::Update, ..options.clone() };
    let mut releases: BTreeSet<OsString> =
        deps.entries.iter().filter(|entry| entry.is_generated).map(|entry| entry.name.clone()).collect();
    let mut is_known = true;
    // Each turn there are fewer releases, or it is the last one.
    let mut plan = loop {
        let count = releases.len();
        let answer = plan_with(context, sources.clone(), &free, &releases);
        match answer {
            Ok(plan) => {
                let differing = changed_entries(&plan);
                releases.retain(|entry| !differing.contains(entry));
                keep_apart(&mut releases, &deps);
                if releases.len() == count {
                    break plan;
                }
            }
            Err(err) if count == 0 || err.is_interrupted() => return Err(err),
            Err(err) => {
                let unpublished: Vec<&Entry> =
                    deps.entries.iter().filter(|entry| is_unpublished(entry, &err)).collect();
                releases.retain(|release| !unpublished.iter().any(|entry| entry.name == *release));
                keep_apart(&mut releases, &deps);
                if releases.len() == count {
                    // Where registries cannot be asked, nobody knows.
                    is_known = !matches!(err, SyncError::Source(_));
                    let is_forbidden = matches!(err, SyncError::Source(SourceError::Offline { .. }));
                    if !is_known && !is_forbidden && options.comparison == Comparison::Fetched {
                        return Err(err);
                    }
                    releases.clear();
                }
            }
        }
    };
    if !is_known {
        plan.not_compared.extend(perhaps_releases(&plan, &deps));
    }
    if options.lock == LockPolicy::Keep && !plan.new_lock.is_same(&plan.old_lock) {
        return Err(SyncError::LockWouldChange { changes: crate::lock_changes(&plan.old_lock, &plan.new_lock) });
    }
    Ok(plan)
}

/// Takes away what refers to packages that were put there by hand: a lock that has a release owns whatever looks fetched
/// of what the release refers to.
fn keep_apart(releases: &mut BTreeSet<OsString>, deps: &DepsDir) {
    loop {
        let is_by_hand = |package: &PackageId| {
            let mut by_hand = deps.entries.iter().filter(|entry| entry.is_generated && !releases.contains(&entry.name));
            by_hand.any(|entry| entry.packages.first() == Some(package))
        };
        let refers = |entry: &&Entry| releases.contains(&entry.name) && entry.references.iter().any(is_by_hand);
        let users: Vec<&OsString> = deps.entries.iter().filter(refers).map(|entry| &entry.name).collect();
        if users.is_empty() {
            return;
        }
        for user in users {
            releases.remove(user);
        }
    }
}

/// The entries of `wit/deps` that the plan would change.
fn changed_entries(plan: &Plan) -> BTreeSet<OsString> {
    let changed = |change: &Change| match change {
        Change::Write { is_new: true, .. } => None,
        Change::Write { entry, .. } => Some(entry.into()),
        Change::Remove { entry } => Some(entry.clone()),
    };
    plan.changes.iter().filter_map(changed).collect()
}

/// Whether the error says that no registry has the package of this entry.
fn is_unpublished(entry: &Entry, err: &SyncError) -> bool {
    let Some(package) = entry.packages.first() else { return false };
    match err {
        SyncError::Source(SourceError::NoRegistry { namespace }) => package.name.namespace() == namespace,
        SyncError::Source(SourceError::NoSuchPackage { package: name, .. }) => package.name.to_string() == *name,
        SyncError::Source(SourceError::NoSuchVersion { package: name, version, .. }) => {
            package.name.to_string() == *name
                && package.version.as_ref().is_some_and(|known| known.to_string() == *version)
        }
        _ => false,
    }
}

/// The packages in use that look fetched.
fn perhaps_releases(plan: &Plan, deps: &DepsDir) -> Vec<PackageId> {
    let looks_fetched =
        |name: &str| deps.entries.iter().any(|entry| entry.is_generated && entry.name.to_str() == Some(name));
    let of_fetch = plan
        .resolution
        .packages
        .iter()
        .filter(|(_, resolved)| matches!(&resolved.origin, Origin::Vendored { entry } if looks_fetched(entry)));
    of_fetch.map(|(package, _)| package.clone()).collect()
}
