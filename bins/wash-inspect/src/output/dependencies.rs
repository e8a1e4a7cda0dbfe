//! `wash inspect deps`: what a binary was made of.

use schemars::JsonSchema;
use serde::Serialize;

use super::Producer;

/// What a binary was made of.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct DepsData {
    /// What was looked at.
    pub(crate) reference: String,
    /// What each module records.
    pub(crate) modules: Vec<ModuleDependencies>,
    /// All languages, tools and libraries that are named in it.
    pub(crate) producers: Vec<Producer>,
    /// Sections that could not be read, and why.
    pub(crate) problems: Vec<String>,
    /// The bill of materials, in the format that was asked for; `null` without `--sbom`.
    pub(crate) sbom: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What one module records.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ModuleDependencies {
    /// The module's name.
    pub(crate) module: Option<String>,
    /// Crates and packages, each behind those it depends on if the record is in order.
    pub(crate) packages: Vec<Dependency>,
}

/// A crate or package.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Dependency {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Where it came from, such as `crates.io`, `git` or `local`.
    pub(crate) source: String,
    /// `runtime` or `build`.
    pub(crate) kind: String,
    /// Whether it is what the module was built from.
    pub(crate) root: bool,
    /// Positions of those that it depends on.
    pub(crate) dependencies: Vec<usize>,
}
