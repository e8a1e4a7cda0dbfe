//! `wash inspect check`: whether a host or a world has what a component needs.

use schemars::JsonSchema;
use serde::Serialize;

use super::ChangeData;

/// Whether a component fits.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct CheckData {
    /// What was checked.
    pub(crate) reference: String,
    /// The host's or the world's name.
    pub(crate) against: String,
    /// Whether it fits, given what `advice` says.
    pub(crate) fits: bool,
    /// Each import, and the demands of the host on exports.
    pub(crate) findings: Vec<Finding>,
    /// What to add so that it runs.
    pub(crate) advice: Vec<Advice>,
    /// Where the component's types differ from those of a world.
    pub(crate) mismatches: Vec<ChangeData>,
}

/// What is known of one import or export.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Finding {
    /// As the component writes it.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) status: Status,
    /// More about it: the version that there is, for example.
    pub(crate) note: Option<String>,
}

/// How an import stands.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// It is there.
    Provided,
    /// It is there once the host is told to.
    OnRequest,
    /// It is there in a version that does not fit.
    WrongVersion,
    /// It is not there.
    Missing,
    /// The host calls this export, and the component does not have it.
    NotExported,
}

/// What to add so that a component runs.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub(crate) struct Advice {
    /// What to do with it: `flag`, `manifest` or `hostInterfaces`.
    pub(crate) kind: String,
    /// The text to add.
    pub(crate) text: String,
}

/// `wash inspect check --list-hosts`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct HostList {
    /// The hosts that are known.
    pub(crate) hosts: Vec<KnownHost>,
}

/// A known host.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct KnownHost {
    /// What `--host` takes.
    pub(crate) name: String,
    /// The host and its version.
    pub(crate) title: String,
    /// Where it is known from.
    pub(crate) source: String,
}
