//! A WIT package by its name, from the registry that publishes it or from the cache of packages that all tools share.
//!
//! What a project keeps in `wit/deps` or replaces in its configuration does not count here: a name means what is published.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use semver::Version;
use washlib_cli::{CommandError, Ui};
use washlib_registry::wit::{Sources, SourcesSettings, Watcher, WitConfiguration};
use washlib_wit::{Cache, Content, PackageId, PackageName, PackageSource as _, SourceError, Wanted};

use crate::command_error;
use crate::source::{self, Place};

/// A package's name with the version that was taken, and its binary form. Without a version the newest release is meant.
pub(crate) fn fetch(package: &PackageId, place: &Place<'_>, ui: &Ui) -> Result<(PackageId, Vec<u8>), CommandError> {
    let project = source::surroundings(place)?;
    let config = source::configuration(&project, place, ui)?;
    let environment = env::vars_os().collect();
    let configuration = WitConfiguration::new(&config, project.root(), &environment).map_err(CommandError::usage)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    washlib_cli::on_interrupt(move |_| flag.store(true, Ordering::Relaxed)).map_err(CommandError::failure)?;
    let sources = Sources::new(SourcesSettings {
        registries: configuration.registries,
        oci: configuration.oci,
        offline: false,
        cache: configuration.cache.clone(),
        interrupted,
        watcher: Arc::new(Unwatched),
    });
    let (cache, name) = (&configuration.cache, &package.name);
    let version = match &package.version {
        Some(version) => version.clone(),
        None => newest(&sources, name).map_err(|err| command_error::package(package, err))?,
    };
    let release = name.at(Some(version.clone()));
    if let Some(bytes) = cached(&sources, cache, name, &version) {
        return Ok((release, bytes));
    }
    ui.status("Fetching", &release.to_string());
    let bytes = fetch_release(&sources, cache, name, &version).map_err(|err| command_error::package(&release, err))?;
    Ok((release, bytes))
}

/// The newest release; of a package that has only drafts the newest draft.
fn newest(sources: &Sources, name: &PackageName) -> Result<Version, SourceError> {
    let answer = sources.versions(std::slice::from_ref(name)).into_iter().next();
    let published = answer.unwrap_or_else(|| Ok(Default::default()))?;
    let newest = published.versions.into_iter().max_by_key(|version| (version.pre.is_empty(), version.clone()));
    newest.ok_or_else(|| SourceError::NoSuchPackage {
        registry: published.registry,
        package: name.to_string(),
        nearest: Vec::new(),
    })
}

fn cached(sources: &Sources, cache: &Cache, name: &PackageName, version: &Version) -> Option<Vec<u8>> {
    let mut contents = sources.registries(name).ok()?.into_iter().filter_map(|registry| {
        let digest = cache.release(&registry, name, version)?;
        cache.content(&digest)
    });
    match contents.next()? {
        Content::Binary(bytes) => Some(bytes),
        Content::Text(_) => None,
    }
}

fn fetch_release(
    sources: &Sources,
    cache: &Cache,
    name: &PackageName,
    version: &Version,
) -> Result<Vec<u8>, SourceError> {
    let wanted = Wanted::Release { package: name.clone(), version: version.clone(), registry: None, digest: None };
    let missing = || SourceError::Offline { what: format!("{name}@{version}") };
    let fetched = sources.fetch(&[wanted]).into_iter().next().ok_or_else(missing)??;
    let Content::Binary(bytes) = &fetched.content else { return Err(missing()) };
    let bytes = bytes.clone();
    let digest = cache.put_content(&fetched.content);
    if let Some(registry) = &fetched.registry {
        cache.put_release(registry, name, version, &digest);
    }
    Ok(bytes)
}

/// One package comes too quickly to be watched.
struct Unwatched;

impl Watcher for Unwatched {
    fn fetched(&self, _: usize, _: usize, _: &str) {}
}
