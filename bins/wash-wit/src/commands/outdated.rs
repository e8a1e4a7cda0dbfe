//! `wash wit outdated`.

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{PackageName, PackageSource as _};

use super::update::newest;
use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct OutdatedData {
    packages: Vec<OutdatedPackage>,
    /// Packages of which only the versions in the cache were looked at, because no registry may be asked.
    only_cached: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OutdatedPackage {
    package: String,
    current: String,
    /// The newest compatible version, if it is another.
    compatible: Option<String>,
    /// The newest release, if it is another.
    newest: Option<String>,
    registry: String,
}

pub(crate) fn run(session: &Session<'_>) -> Result<(), CommandError> {
    let sources = session.read_sources()?;
    let versions = sources.versions(None).map_err(command_error::edit)?;
    let asked: Vec<_> = versions.into_iter().filter(|(name, _)| !session.is_overridden(name)).collect();
    let names: Vec<PackageName> = asked.iter().map(|(name, _)| name.clone()).collect();
    let mut packages = Vec::new();
    let mut only_cached = Vec::new();
    for ((name, current), answer) in asked.into_iter().zip(session.sources.versions(&names)) {
        let published = answer.map_err(command_error::source)?;
        if published.is_from_cache {
            only_cached.push(name.to_string());
        }
        let compatible = newest(&current, &published.versions, false);
        let any = newest(&current, &published.versions, true);
        if any.is_some() {
            packages.push(OutdatedPackage {
                package: name.to_string(),
                current: current.to_string(),
                compatible: compatible.map(|version| version.to_string()),
                newest: any.map(|version| version.to_string()),
                registry: published.registry,
            });
        }
    }
    let mut lines = Vec::new();
    let width = packages.iter().map(|package| package.package.len()).max().unwrap_or(0).max("package".len());
    if !packages.is_empty() {
        lines.push(format!("{:<width$}  {:<12}  {:<12}  {:<12}", "package", "current", "compatible", "newest"));
    }
    for package in &packages {
        let or_dash = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
        let (compatible, newest) = (or_dash(&package.compatible), or_dash(&package.newest));
        lines.push(format!("{:<width$}  {:<12}  {compatible:<12}  {newest:<12}", package.package, package.current));
    }
    let text: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    let message = match (packages.is_empty(), only_cached.is_empty()) {
        (true, true) => "Everything is up to date",
        (true, false) => "There is nothing newer in the cache",
        (false, _) => "There are newer versions",
    };
    if packages.is_empty() {
        session.ui.status("Fresh", message);
    }
    tell_only_cached(session, &only_cached);
    session.ui.result(&text.join("\n"), message, OutdatedData { packages, only_cached })
}

/// What was not asked cannot be known.
pub(super) fn tell_only_cached(session: &Session<'_>, only_cached: &[String]) {
    if !only_cached.is_empty() {
        let packages = only_cached.join(", ");
        session.ui.warn(&format!("no registry was asked; only versions in the cache were looked at: {packages}"));
    }
}
