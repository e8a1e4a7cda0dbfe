//! Artifacts of wasmCloud 1.x: signed claims and provider archives.

use schemars::JsonSchema;
use serde::Serialize;

/// Signed claims.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ClaimsData {
    /// The public key of who signed.
    pub(crate) issuer: String,
    /// The public key of what is claimed about.
    pub(crate) subject: String,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Who made a provider.
    pub(crate) vendor: Option<String>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Its revision.
    pub(crate) revision: Option<i64>,
    /// What it may use.
    pub(crate) capabilities: Vec<String>,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// The name to call it by.
    pub(crate) call_alias: Option<String>,
    /// Seconds since 1970 at which it was issued.
    pub(crate) issued_at: Option<u64>,
    /// Seconds since 1970 from which it counts.
    pub(crate) not_before: Option<u64>,
    /// Seconds since 1970 at which it ends.
    pub(crate) expires: Option<u64>,
    /// Whether it counts now.
    pub(crate) validity: Validity,
    /// Whether the issuer signed it.
    pub(crate) signature: Signature,
    /// Whether the content is what was signed; `null` where the claims do not say.
    pub(crate) content_matches: Option<bool>,
}

/// Whether claims count now.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Validity {
    /// They do.
    Valid,
    /// Not any more.
    Expired,
    /// Not yet.
    NotYet,
}

/// Whether a signature is the issuer's.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signature {
    /// It is.
    Verified,
    /// It is not.
    Wrong,
    /// The issuer is no key that could be checked against.
    UnknownKey,
}

/// A provider archive.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ArchiveData {
    /// Whether it is compressed.
    pub(crate) compressed: bool,
    /// The programs in it.
    pub(crate) targets: Vec<TargetData>,
    /// Other files in it.
    pub(crate) other_files: Vec<String>,
}

/// A provider's program for one kind of machine.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct TargetData {
    /// Architecture and system, such as `x86_64-linux`.
    pub(crate) target: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Whether it is what was signed; `null` where the claims do not say.
    pub(crate) content_matches: Option<bool>,
}
