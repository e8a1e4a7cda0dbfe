//! `wash wit publish`.

use semver::{Version, VersionReq};
use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{
    BuiltPackage, Content, Incompatibility, Manifest, PackageName, PackageSource as _, Release, SourceError, Wanted,
};

use super::build::built_package;
use crate::cli::Publish;
use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct PublishData {
    package: String,
    version: String,
    registry: String,
    /// Where the release is, or would be.
    reference: Option<String>,
    digest: String,
    dry_run: bool,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    older: String,
    newer: String,
    problem: String,
}

pub(crate) fn run(session: &Session<'_>, args: &Publish) -> Result<(), CommandError> {
    let built = built_package(session)?;
    let Some(version) = built.package.version.clone() else {
        return Err(CommandError::usage(format!("`{}` has no version", built.package))
            .hint("write one in the `package` line: `package <namespace>:<name>@<version>;`"));
    };
    let name = built.package.name.clone();
    let (registry, published) = published(session, &name, args.registry.as_deref())?;
    if published.contains(&version) {
        let err = SourceError::AlreadyPublished { registry, package: built.package.to_string() };
        return Err(command_error::source(err));
    }
    let problems = incompatibilities(session, &built, &version, &registry, &published)?;
    let mut data = PublishData {
        package: name.to_string(),
        version: version.to_string(),
        registry: registry.clone(),
        reference: None,
        digest: washlib_wit::Digest::of(&built.bytes).to_string(),
        dry_run: args.dry_run,
        problems: problems.iter().map(Problem::of).collect(),
    };
    if !problems.is_empty() {
        let lines: Vec<String> = data.problems.iter().map(Problem::line).collect();
        let message = format!("{} is not compatible with what is published", built.package);
        let hint = "a version that breaks promises needs a number that says so, such as the next major version";
        return Err(session.answer_no(&lines.join("\n"), &message, hint, data));
    }
    if args.dry_run {
        session.ui.status("Checked", &format!("{} can be published to {registry}", built.package));
        return session.ui.result("", "Checked; nothing was published", data);
    }
    let manifest = Manifest::read(&session.project.manifest_path());
    let manifest = manifest.map_err(|err| command_error::project(err.into()))?;
    let release = Release {
        package: name,
        version,
        registry: Some(registry),
        annotations: manifest.metadata.annotations(),
        bytes: built.bytes,
    };
    let receipt = session.sources.publish(&release).map_err(command_error::source)?;
    session.ui.status("Published", &format!("{} to {}", built.package, receipt.registry));
    data.reference = Some(receipt.reference.clone());
    session.ui.result(&receipt.reference, &format!("Published {}", built.package), data)
}

/// The registry to publish to, and the versions that it has. A package that it does not know yet has none.
fn published(
    session: &Session<'_>,
    name: &PackageName,
    registry: Option<&str>,
) -> Result<(String, Vec<Version>), CommandError> {
    let failed = command_error::source;
    let registry = match registry {
        Some(registry) => registry.to_owned(),
        None => session.sources.registries(name).map_err(failed)?.remove(0),
    };
    match session.sources.versions_in(&registry, name) {
        Ok(versions) => Ok((registry, versions)),
        Err(SourceError::NoSuchPackage { .. }) => Ok((registry, Vec::new())),
        Err(SourceError::Offline { .. }) => {
            let message = format!("`{registry}` must be asked which versions it has, and the network must not be used");
            Err(CommandError::failure(message).hint("leave out `--offline` and `--frozen`"))
        }
        Err(err) => Err(failed(err)),
    }
}

/// Everything that the package breaks of what its nearest compatible neighbours promise, or that it promises and the next
/// one breaks.
fn incompatibilities(
    session: &Session<'_>,
    built: &BuiltPackage,
    version: &Version,
    registry: &str,
    published: &[Version],
) -> Result<Vec<Incompatibility>, CommandError> {
    let series = VersionReq::parse(&format!("^{}", series_start(version)));
    let compatible: Vec<&Version> = match &series {
        Ok(series) => published.iter().filter(|other| series.matches(other)).collect(),
        Err(_) => Vec::new(),
    };
    let below = compatible.iter().filter(|other| ***other < *version).max();
    let above = compatible.iter().filter(|other| ***other > *version).min();
    let mut problems = Vec::new();
    for neighbour in below.into_iter().chain(above) {
        let neighbour: &Version = neighbour;
        let bytes = fetch(session, &built.package.name, neighbour, registry)?;
        let (this, other) = ((version, built.bytes.as_slice()), (neighbour, bytes.as_slice()));
        let (older, newer) = if neighbour < version { (other, this) } else { (this, other) };
        problems.extend(washlib_wit::check_compatibility(older, newer).map_err(CommandError::failure)?);
    }
    Ok(problems)
}

/// The first version of those that are compatible with each other.
fn series_start(version: &Version) -> Version {
    if !version.pre.is_empty() {
        return version.clone();
    }
    match (version.major, version.minor) {
        (0, 0) => version.clone(),
        (0, minor) => Version::new(0, minor, 0),
        (major, _) => Version::new(major, 0, 0),
    }
}

fn fetch(
    session: &Session<'_>,
    package: &PackageName,
    version: &Version,
    registry: &str,
) -> Result<Vec<u8>, CommandError> {
    let registry = Some(registry.to_owned());
    let wanted = Wanted::Release { package: package.clone(), version: version.clone(), registry, digest: None };
    let answer = session.sources.fetch(&[wanted]).into_iter().next();
    let fetched = answer.unwrap_or(Err(SourceError::Interrupted)).map_err(command_error::source)?;
    match fetched.content {
        Content::Binary(bytes) => Ok(bytes),
        Content::Text(_) => Err(CommandError::failure(format!("`{package}@{version}` is published as text"))),
    }
}

impl Problem {
    fn of(incompatibility: &Incompatibility) -> Self {
        Self {
            older: incompatibility.older.to_string(),
            newer: incompatibility.newer.to_string(),
            problem: incompatibility.problem.clone(),
        }
    }

    fn line(&self) -> String {
        format!("{} -> {}: {}", self.older, self.newer, self.problem)
    }
}
