//! `wash inspect metadata`: what a binary says of itself.

use schemars::JsonSchema;
use serde::Serialize;

/// What a component or module says of itself.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub(crate) struct MetadataData {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Its own version.
    pub(crate) version: Option<String>,
    /// Who is responsible.
    pub(crate) authors: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its licences, as an SPDX expression.
    pub(crate) licenses: Option<String>,
    /// Where its source is.
    pub(crate) source: Option<String>,
    /// Where to read more.
    pub(crate) homepage: Option<String>,
    /// The revision of its source.
    pub(crate) revision: Option<String>,
    /// Languages, tools and libraries that made it.
    pub(crate) producers: Vec<Producer>,
}

/// A language, tool or library.
#[derive(Clone, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub(crate) field: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// A binary that was written.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct WrittenData {
    /// Where; `null` on standard output.
    pub(crate) path: Option<String>,
    /// Bytes before.
    pub(crate) size_before: u64,
    /// Bytes now.
    pub(crate) size: u64,
}
