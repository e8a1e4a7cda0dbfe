//! `wash wit update`: newer versions go into the sources, and what is fetched follows them.

use semver::{Version, VersionReq};
use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{PackageName, PackageSource as _, Published, SyncError};

use super::fitting::{Fitting, Update, fitting};
use super::outdated::tell_only_cached;
use crate::command_error;
use crate::report::SyncData;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct UpdateData {
    updates: Vec<UpdatedPackage>,
    /// Updates with which the sources would not be valid. They were not made.
    misfits: Vec<Misfit>,
    /// Packages of which only the versions in the cache were looked at, because no registry may be asked.
    only_cached: Vec<String>,
    /// Nothing where no update fits: then nothing has changed.
    #[serde(flatten)]
    sync: Option<SyncData>,
}

#[derive(Debug, Serialize)]
struct UpdatedPackage {
    package: String,
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Misfit {
    #[serde(flatten)]
    update: UpdatedPackage,
    /// What would not be valid.
    problem: String,
}

pub(crate) fn run(session: &Session<'_>, args: &crate::cli::Update) -> Result<(), CommandError> {
    let name: Option<PackageName> = args.package.as_deref().map(str::parse).transpose().map_err(command_error::name)?;
    let parse = |text: &String| text.parse().map_err(|err| command_error::version(text, err));
    let precise: Option<Version> = args.precise.as_ref().map(parse).transpose()?;
    let _guard = session.guard()?;
    let sources = session.read_sources()?;
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
            updates.push(Update { name: name.clone(), from: old.clone(), to: new });
        }
    }
    let mut forget: Vec<PackageName> = names;
    forget.extend(fixed.into_iter().map(|(name, _)| name));
    forget.extend(name);
    let fitting = fitting(session, &sources, updates, &forget)?;
    let sync = fitting.plan.as_ref().map(|plan| SyncData::of(session, plan));
    if let Some(plan) = &fitting.plan {
        session.apply(plan)?;
    }
    sync.iter().for_each(|sync| sync.show(session));
    // A version that was asked for needs no list.
    if precise.is_none() {
        tell_only_cached(session, &only_cached);
    }
    finish(session, &fitting, only_cached, sync)
}

/// Tells what was updated and what was not.
fn finish(
    session: &Session<'_>,
    fitting: &Fitting,
    only_cached: Vec<String>,
    sync: Option<SyncData>,
) -> Result<(), CommandError> {
    let lines: Vec<String> = fitting.updates.iter().map(ToString::to_string).collect();
    let (text, is_all_known) = (lines.join("\n"), only_cached.is_empty());
    let misfit =
        |(update, err): &(Update, SyncError)| Misfit { update: UpdatedPackage::of(update), problem: chain(err) };
    let data = UpdateData {
        updates: fitting.updates.iter().map(UpdatedPackage::of).collect(),
        misfits: fitting.misfits.iter().map(misfit).collect(),
        only_cached,
        sync,
    };
    if fitting.misfits.is_empty() {
        let message = match (data.updates.is_empty(), is_all_known) {
            (true, true) => "Everything is at its newest compatible version",
            (true, false) => "There is nothing newer in the cache",
            (false, _) => "Updated",
        };
        return session.ui.result(&text, message, data);
    }
    for ((update, _), Misfit { problem, .. }) in fitting.misfits.iter().zip(&data.misfits) {
        session.ui.warn(&format!("{} {} does not fit: {problem}", update.name, update.to));
    }
    let misfits: Vec<String> = fitting.misfits.iter().map(|(update, _)| update.to_string()).collect();
    let rest = if data.updates.is_empty() { "nothing was changed" } else { "the others were updated" };
    let message = format!("not updated, because the sources do not fit: {}; {rest}", misfits.join(", "));
    let hint = "change the version and what needs it in the sources together, then run `wash wit fetch`";
    Err(session.answer_no(&text, &message, hint, data))
}

impl UpdatedPackage {
    fn of(update: &Update) -> Self {
        Self { package: update.name.to_string(), from: update.from.to_string(), to: update.to.to_string() }
    }
}

/// An error with its causes.
fn chain(err: &SyncError) -> String {
    let mut text = err.to_string();
    let mut next = std::error::Error::source(err);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
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
