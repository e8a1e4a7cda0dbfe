//! `wash wit update`: newer versions go into the sources, and what is fetched follows them.

use semver::{Version, VersionReq};
use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{PackageName, PackageSource as _, PlanOptions, Published};

use super::outdated::tell_only_cached;
use crate::cli::Update;
use crate::command_error;
use crate::report::SyncData;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct UpdateData {
    updates: Vec<UpdatedPackage>,
    /// Packages of which only the versions in the cache were looked at, because no registry may be asked.
    only_cached: Vec<String>,
    #[serde(flatten)]
    sync: SyncData,
}

#[derive(Debug, Serialize)]
struct UpdatedPackage {
    package: String,
    from: String,
    to: String,
}

pub(crate) fn run(session: &Session<'_>, args: &Update) -> Result<(), CommandError> {
    let name: Option<PackageName> = args.package.as_deref().map(str::parse).transpose().map_err(command_error::name)?;
    let parse = |text: &String| text.parse().map_err(|err| command_error::version(text, err));
    let precise: Option<Version> = args.precise.as_ref().map(parse).transpose()?;
    let _guard = session.guard()?;
    let mut sources = session.read_sources()?;
    let overridden = |name: &PackageName| session.is_overridden(name);
    let versions = match sources.versions(name.as_ref()) {
        Ok(versions) => versions,
        // Without versions to change, what `wit.sources` names can still be looked at anew.
        Err(_) if name.as_ref().is_some_and(overridden) => Vec::new(),
        Err(err) => return Err(command_error::edit(err)),
    };
    let (fixed, asked): (Vec<_>, Vec<_>) = versions.into_iter().partition(|(name, _)| overridden(name));
    let names: Vec<PackageName> = asked.iter().map(|(name, _)| name.clone()).collect();
    let answers = session.sources.versions(&names);
    let mut updates = Vec::new();
    let mut only_cached = Vec::new();
    for ((name, old), answer) in asked.iter().zip(answers) {
        let published = answer.map_err(command_error::source)?;
        if published.is_from_cache {
            only_cached.push(name.to_string());
        }
        let new = match &precise {
            Some(precise) => check_precise(name, precise, &published)?,
            None => newest(old, &published.versions, args.breaking).unwrap_or_else(|| old.clone()),
        };
        if new != *old {
            sources.set_version(name, old, &new);
            updates.push(UpdatedPackage { package: name.to_string(), from: old.to_string(), to: new.to_string() });
        }
    }
    let mut forget: Vec<PackageName> = names;
    forget.extend(fixed.into_iter().map(|(name, _)| name));
    forget.extend(name);
    let plan = session.plan(sources, PlanOptions { forget, ..PlanOptions::default() })?;
    let sync = SyncData::of(session, &plan);
    if !plan.is_empty() {
        session.apply(&plan)?;
    }
    sync.show(session);
    let lines: Vec<String> =
        updates.iter().map(|update| format!("{} {} -> {}", update.package, update.from, update.to)).collect();
    let message = match (updates.is_empty(), only_cached.is_empty()) {
        (true, true) => "Everything is at its newest compatible version",
        (true, false) => "There is nothing newer in the cache",
        (false, _) => "Updated",
    };
    // A version that was asked for needs no list.
    if precise.is_none() {
        tell_only_cached(session, &only_cached);
    }
    session.ui.result(&lines.join("\n"), message, UpdateData { updates, only_cached, sync })
}

fn check_precise(name: &PackageName, precise: &Version, published: &Published) -> Result<Version, CommandError> {
    if published.versions.contains(precise) {
        return Ok(precise.clone());
    }
    if published.is_from_cache {
        let message = format!("`{name}@{precise}` is not in the cache, and no registry was asked");
        return Err(CommandError::failure(message).hint("without `--offline` and `--frozen` the registry is asked"));
    }
    let mut available = published.versions.clone();
    available.sort_by(|a, b| b.cmp(a));
    let err = washlib_wit::SourceError::NoSuchVersion {
        registry: published.registry.clone(),
        package: name.to_string(),
        version: precise.to_string(),
        available,
    };
    Err(command_error::source(err))
}

/// The newest version that may take the place of `old`: a compatible one, or any release.
pub(crate) fn newest(old: &Version, versions: &[Version], breaking: bool) -> Option<Version> {
    let compatible = VersionReq::parse(&format!("^{old}")).ok()?;
    let allowed = |version: &&Version| {
        // A draft is followed by drafts of the same version, a release by releases.
        let is_release = version.pre.is_empty() || !old.pre.is_empty();
        *version > old && is_release && (breaking || compatible.matches(version))
    };
    versions.iter().filter(allowed).max().cloned()
}
