//! What a synchronisation did, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;
use washlib_wit::{Change, LOCK_FILE_NAME, Location, Origin, PackageId, Plan, lock_changes};

use crate::session::Session;

/// What `-o json` returns for whatever changes dependencies; the first two fields are those of the public wash.
#[derive(Debug, Serialize)]
pub(crate) struct SyncData {
    /// Absolute.
    wit_dir: PathBuf,
    /// Absolute.
    lock_file: PathBuf,
    packages: Vec<PackageData>,
    /// Packages that were not in `wit/deps` before.
    added: Vec<String>,
    /// Packages whose text in `wit/deps` has changed.
    changed: Vec<String>,
    /// Files and folders of `wit/deps` that are gone.
    removed: Vec<String>,
    /// What has changed in the lock.
    lock_changes: Vec<String>,
    /// Sources that have changed, relative to the project.
    edited: Vec<String>,
    /// False when the packages of `wit/deps` could not be compared with what was fetched once.
    verified: bool,
}

/// A package and where it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct PackageData {
    package: String,
    #[serde(flatten)]
    origin: OriginData,
}

/// Where a package comes from.
#[derive(Debug, Default, Serialize)]
pub(crate) struct OriginData {
    /// `registry`, `path`, `git`, `archive`, `oci`, `vendored` or `inside`: of a package that refers to it.
    origin: &'static str,
    /// The registry, path, address or entry of `wit/deps`.
    source: Option<String>,
    version: Option<String>,
    /// A commit, for what can move.
    revision: Option<String>,
    digest: Option<String>,
}

impl OriginData {
    pub(crate) fn of(origin: Option<&Origin>) -> Self {
        match origin {
            Some(Origin::Registry { registry, version, digest, .. }) => Self {
                origin: "registry",
                source: registry.clone(),
                version: Some(version.to_string()),
                digest: Some(digest.to_string()),
                revision: None,
            },
            Some(Origin::Folder { path, version, digest, .. }) => Self {
                origin: "path",
                source: Some(path.display().to_string()),
                version: Some(version.to_string()),
                digest: Some(digest.to_string()),
                revision: None,
            },
            Some(Origin::Location { location, revision, digest }) => Self {
                origin: match location {
                    Location::Path(_) => "path",
                    Location::Git { .. } => "git",
                    Location::Tarball { .. } => "archive",
                    Location::Oci(_) => "oci",
                    _ => "registry",
                },
                source: Some(location.to_string()),
                version: None,
                revision: revision.clone(),
                digest: Some(digest.to_string()),
            },
            Some(Origin::Vendored { entry }) => {
                Self { origin: "vendored", source: Some(entry.clone()), ..Self::default() }
            }
            _ => Self { origin: "inside", ..Self::default() },
        }
    }

    /// In a few words.
    pub(crate) fn text(&self, wit_dir: &str) -> String {
        let source = self.source.as_deref().unwrap_or("an unknown place");
        match (self.origin, &self.revision) {
            ("inside", _) => "inside of what refers to it".to_owned(),
            ("vendored", _) => format!("vendored in {wit_dir}/deps/{source}"),
            (_, Some(revision)) => format!("{source}, at {}", revision.get(..12).unwrap_or(revision)),
            _ => source.to_owned(),
        }
    }
}

impl SyncData {
    pub(crate) fn of(session: &Session<'_>, plan: &Plan) -> Self {
        let mut data = Self {
            wit_dir: session.project.wit_dir().to_owned(),
            lock_file: session.project.lock_path(),
            packages: packages(plan),
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            lock_changes: lock_changes(&plan.old_lock, &plan.new_lock),
            edited: plan.edited_files(),
            verified: plan.is_verified(),
        };
        for change in &plan.changes {
            match change {
                Change::Write { package, is_new: true, .. } => data.added.push(package.clone()),
                Change::Write { package, .. } => data.changed.push(package.clone()),
                Change::Remove { entry } => data.removed.push(entry.to_string_lossy().into_owned()),
            }
        }
        data
    }

    /// Tells a person.
    pub(crate) fn show(&self, session: &Session<'_>) {
        let ui = session.ui;
        for package in &self.added {
            ui.status("Added", package);
        }
        for package in &self.changed {
            ui.status("Changed", package);
        }
        for entry in &self.removed {
            ui.status("Removed", &session.shown_here(&format!("{}/deps/{entry}", session.wit_dir)));
        }
        let nothing = self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty();
        if !self.edited.is_empty() {
            let edited: Vec<String> = self.edited.iter().map(|file| session.shown_here(file)).collect();
            ui.status("Edited", &edited.join(", "));
        }
        if nothing && !self.lock_changes.is_empty() {
            let lock = session.shown_here(LOCK_FILE_NAME);
            ui.status("Locked", &format!("{} in {lock}", self.lock_changes.join(", ")));
        }
        if nothing && self.lock_changes.is_empty() && self.edited.is_empty() {
            let note = if self.verified { "" } else { " (by name and version; their content is not in the cache)" };
            let deps = session.shown_here(&format!("{}/deps", session.wit_dir));
            ui.status("Fresh", &format!("{} packages in {deps}{note}", self.packages.len()));
        }
    }
}

/// Every package of the project with its origin.
fn packages(plan: &Plan) -> Vec<PackageData> {
    let of = |package: &PackageId| PackageData {
        package: package.to_string(),
        origin: OriginData::of(plan.resolution.packages.get(package).map(|resolved| &resolved.origin)),
    };
    let mut packages: Vec<&PackageId> = plan.packages.iter().map(|planned| &planned.package).collect();
    packages.sort();
    packages.dedup();
    packages.into_iter().map(of).collect()
}
