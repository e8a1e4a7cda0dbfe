//! Recognises a project's toolchain by its files, and says which programs build it.
//!
//! Runs nothing itself, except that cargo is asked to describe its project.

pub(crate) mod cargo;
mod componentize_py;
mod go;
mod npm;
mod wit_world;

use std::ffi::OsString;
use std::fmt;

use washlib_config::{ManifestKind, Project};

use crate::{BuildError, BuildRequest, CancelToken};

/// A language's way to build a component.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Toolchain {
    /// `Cargo.toml`: cargo, for `wasm32-wasip2`.
    Cargo,
    /// `package.json`: the package manager's `build` script.
    Npm,
    /// A `Makefile` beside `go.mod`, or alone.
    Make,
    /// `go.mod`: TinyGo.
    TinyGo,
    /// A Python project: componentize-py.
    Python,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Make => "make",
            Self::TinyGo => "tinygo",
            Self::Python => "componentize-py",
        })
    }
}

/// One program to run.
#[derive(Debug)]
pub(crate) enum Step {
    /// A program whose output is for people.
    Plain { program: &'static str, arguments: Vec<OsString> },
    /// A cargo build whose messages name the component of one package.
    Cargo { arguments: Vec<OsString>, package: cargo_metadata::PackageId },
}

impl Step {
    fn plain(program: &'static str, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::Plain { program, arguments: arguments.into_iter().map(Into::into).collect() }
    }

    pub(crate) fn program(&self) -> &'static str {
        match self {
            Self::Plain { program, .. } => program,
            Self::Cargo { .. } => "cargo",
        }
    }

    pub(crate) fn arguments(&self) -> &[OsString] {
        match self {
            Self::Plain { arguments, .. } | Self::Cargo { arguments, .. } => arguments,
        }
    }
}

impl Toolchain {
    /// The toolchain that a project's manifests tell of. A `Makefile` comes before `go.mod`, because a Go project has one
    /// in order to say how it is built; cargo and npm come first, because theirs only adds to what the manifest says.
    pub fn of(project: &Project) -> Option<Self> {
        const BY_MANIFEST: [(ManifestKind, Toolchain); 5] = [
            (ManifestKind::Cargo, Toolchain::Cargo),
            (ManifestKind::Npm, Toolchain::Npm),
            (ManifestKind::Make, Toolchain::Make),
            (ManifestKind::Go, Toolchain::TinyGo),
            (ManifestKind::Python, Toolchain::Python),
        ];
        let has = |kind| project.manifests().iter().any(|(manifest, _)| *manifest == kind);
        BY_MANIFEST.into_iter().find(|(kind, _)| has(*kind)).map(|(_, toolchain)| toolchain)
    }

    pub(crate) fn steps(self, request: &BuildRequest, cancel: &CancelToken) -> Result<Vec<Step>, BuildError> {
        match self {
            Self::Cargo => cargo::steps(request, cancel),
            Self::Npm => npm::steps(&request.root),
            Self::Make => Ok(vec![Step::plain("make", [""; 0])]),
            Self::TinyGo => go::steps(request),
            Self::Python => componentize_py::steps(request),
        }
    }
}
