//! What resolution asks of the world outside the project: the one interface between this library and the network.
//!
//! Nothing here knows a protocol. Implementations may start runtimes and connections, but only when they are asked.

use std::path::PathBuf;

use semver::Version;
use thiserror::Error;

use crate::{Digest, Location, PackageId, PackageName};

/// Where packages are fetched from.
pub trait PackageSource {
    /// The registries that are asked for a package, the first one first. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When none is configured.
    fn registries(&self, package: &PackageName) -> Result<Vec<String>, SourceError>;

    /// Fetches all of `wanted`, in parallel where that helps; the answers are in the order of the questions.
    fn fetch(&self, wanted: &[Wanted]) -> Vec<Result<Fetched, SourceError>>;

    /// The versions that there are of each package, in the order of the questions.
    fn versions(&self, packages: &[PackageName]) -> Vec<Result<Published, SourceError>>;

    /// Publishes a release.
    ///
    /// # Errors
    ///
    /// When the registry does not take it; [`SourceError::AlreadyPublished`] when it has that version.
    fn publish(&self, release: &Release) -> Result<Receipt, SourceError>;
}

/// One thing to fetch.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A release in a registry.
    Release {
        /// The package.
        package: PackageName,
        /// Its version.
        version: Version,
        /// The registry that the lock names; without one, those that are configured.
        registry: Option<String>,
        /// What the content must be, if the lock says so.
        digest: Option<Digest>,
    },
    /// What `wit.sources` names.
    Location {
        /// The package that is expected there.
        package: PackageId,
        /// The place.
        location: Location,
        /// What the place pointed to when it was locked.
        revision: Option<String>,
    },
}

/// What came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The registry that had it.
    pub registry: Option<String>,
    /// What the place pointed to: a commit, a digest.
    pub revision: Option<String>,
    /// The package.
    pub content: Content,
}

/// A package in one of its two forms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// In the binary form, with whatever it depends on inside.
    Binary(Vec<u8>),
    /// As text.
    Text(Vec<TextFile>),
}

/// A .wit file of a package.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TextFile {
    /// Its path as a person knows it, for messages.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The releases of a package.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The registry that has them.
    pub registry: String,
    /// The versions, in no order.
    pub versions: Vec<Version>,
    /// Whether the registry was not asked: these are the versions that were fetched from it before.
    pub is_from_cache: bool,
}

/// A package to publish.
#[derive(Clone, Debug)]
pub struct Release {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// The registry, when it is not the configured one.
    pub registry: Option<String>,
    /// The package in its binary form.
    pub bytes: Vec<u8>,
    /// Facts about it that a registry shows, by the names of OCI's annotations.
    pub annotations: Vec<(String, String)>,
}

/// What a registry has taken.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The registry.
    pub registry: String,
    /// Where the release is: a reference or a path.
    pub reference: String,
}

/// Why a package could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No registry is known for a namespace.
    #[error("no registry is known for the namespace `{namespace}`")]
    NoRegistry {
        /// The namespace.
        namespace: String,
    },
    /// The network was forbidden.
    #[error("`{what}` is not on this machine, and the network must not be used")]
    Offline {
        /// What would have been fetched.
        what: String,
    },
    /// The registry has no such package.
    #[error("`{registry}` has no package `{package}`")]
    NoSuchPackage {
        /// The registry.
        registry: String,
        /// The package.
        package: String,
        /// Packages of similar names.
        nearest: Vec<String>,
    },
    /// The registry has the package, but not in this version.
    #[error("`{registry}` has no version {version} of `{package}`")]
    NoSuchVersion {
        /// The registry.
        registry: String,
        /// The package.
        package: String,
        /// The version asked for.
        version: String,
        /// Versions that there are, the newest first.
        available: Vec<Version>,
    },
    /// The registry wants to know who asks, or does not let them.
    #[error("not authorised by `{registry}` for `{what}`")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// Where the credentials are configured that were shown to it; nothing where there were none, or where they are
        /// kept for all tools.
        login: Option<String>,
        /// What the registry said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The registry cannot be reached, or does not answer in time.
    #[error("cannot reach `{registry}`")]
    Unreachable {
        /// The registry.
        registry: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The registry answers, but not as it should.
    #[error("`{registry}` failed to give `{what}`")]
    Registry {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What came is not what was promised.
    #[error("`{what}` has the digest {found}, but {expected} was expected")]
    WrongDigest {
        /// What was fetched.
        what: String,
        /// The digest that was promised.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// A place of `wit.sources` that cannot be used.
    #[error("cannot take `{package}` from `{location}`")]
    Location {
        /// The package.
        package: String,
        /// The place.
        location: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of a place of `wit.sources` that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The registry has the version already.
    #[error("`{registry}` has `{package}` already")]
    AlreadyPublished {
        /// The registry.
        registry: String,
        /// The package with its version.
        package: String,
    },
    /// Registries or credentials are configured wrongly.
    #[error("the registries are configured wrongly")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}
