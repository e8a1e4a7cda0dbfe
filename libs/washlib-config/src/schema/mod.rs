//! Every key that a configuration may have, with its type, unit and meaning.
//!
//! Says what can be written, not what it does: a tool that does not support a key yet refuses it by [`Config::set_keys`].
//!
//! Each key is accepted in snake case and in camel case. A key that is not set is `None` (or an empty table), so that
//! layers can be merged; its default is an accessor's or, where a default depends on the project, the tool's.

mod dev;
mod oci;
mod plugin;
mod sections;
mod sources;
mod workload;

use std::collections::BTreeMap;

use crate::deserialize::{Key, Section, section};
use crate::origin::{Origin, Sourced};

pub use dev::{Component, Dev, TrustRoots, Volume, WitInterface};
pub use oci::{Oci, OciRegistry, VerificationRule, VerificationRules};
pub use plugin::{DeclaredPort, Host, HostPlugin, Protocol, PullPolicy};
pub use sections::{Build, New, Registry, Wit};
pub use sources::{ConfigSource, Secret, SecretSource};
pub use workload::{EnvironmentLayer, Workload};

section! {
    /// A configuration, whole or one layer of it.
    Snake Config {
        /// The version of wash that the project was made for. Informative: nothing depends on it.
        version: Option<Sourced<String>>,
        /// What a template does when a project is made from it.
        new: New,
        /// How the component is built.
        build: Build,
        /// How the component is served during development.
        dev: Dev,
        /// What a host loads on this machine.
        host: Host,
        /// What the component may use and reach; `None` when the section is not there at all.
        workload: Option<Workload>,
        /// Named sets of values that a workload's environment refers to.
        configs: BTreeMap<String, Sourced<ConfigSource>>,
        /// Named sets of confidential values that a workload's environment refers to.
        secrets: BTreeMap<String, Sourced<SecretSource>>,
        /// Where WIT dependencies come from and where they are kept.
        wit: Wit,
        /// How registries of OCI artifacts are reached, what must be signed, and what is kept.
        oci: Oci,
    }
}

/// The tables of a configuration with the keys in them, those that people write most first.
pub(crate) const SECTIONS: [(&str, &[Key]); 9] = [
    ("build", Build::KEYS),
    ("dev", Dev::KEYS),
    ("new", New::KEYS),
    ("host", Host::KEYS),
    ("workload", Workload::KEYS),
    ("configs", &[]),
    ("secrets", &[]),
    ("wit", Wit::KEYS),
    ("oci", Oci::KEYS),
];

/// The whole path of a key that belongs to another section than the one it was found in; `normalize` makes the
/// spellings of a name alike.
pub(crate) fn path_of_key(normalized: &str, normalize: impl Fn(&str) -> String) -> Option<String> {
    SECTIONS.iter().find_map(|(section, keys)| {
        let key = keys.iter().find(|key| normalize(key.snake) == normalized)?;
        Some(format!("{section}.{}", key.name()))
    })
}

impl Config {
    /// This layer over a lower one: what is set here wins; tables are merged key by key, lists are replaced whole.
    #[must_use]
    pub fn combine(self, lower: Self) -> Self {
        Section::combine(self, lower)
    }

    /// Every key that is set, as a path such as `dev.volumes`, with where it was set; keys inside a key's own table or
    /// list are not told apart. For tools to refuse what they do not support.
    pub fn set_keys(&self) -> Vec<(String, Origin)> {
        let version = self.version.iter().map(|version| ("version".to_owned(), version.origin().clone()));
        let of = |section: &'static str, keys: Vec<(Key, Origin)>| {
            keys.into_iter().map(move |(key, origin)| (format!("{section}.{}", key.name()), origin))
        };
        version
            .chain(of("new", self.new.set_keys()))
            .chain(of("build", self.build.set_keys()))
            .chain(of("dev", self.dev.set_keys()))
            .chain(of("host", self.host.set_keys()))
            .chain(of("workload", self.workload.as_ref().map(Section::set_keys).unwrap_or_default()))
            .chain(self.configs.iter().map(|(name, config)| (format!("configs.{name}"), config.origin().clone())))
            .chain(self.secrets.iter().map(|(name, secret)| (format!("secrets.{name}"), secret.origin().clone())))
            .chain(of("wit", self.wit.set_keys()))
            .chain(of("oci", self.oci.set_keys()))
            .collect()
    }

    /// The command that builds the component for development: `dev.command`, else `build.command`.
    pub fn dev_command(&self) -> Option<&Sourced<String>> {
        self.dev.command.as_ref().or(self.build.command.as_ref())
    }

    /// Where that command leaves the component: `dev.component_path`, else `build.component_path`.
    pub fn dev_component_path(&self) -> Option<&Sourced<std::path::PathBuf>> {
        self.dev.component_path.as_ref().or(self.build.component_path.as_ref())
    }
}
