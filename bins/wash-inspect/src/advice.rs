//! What has to be added so that a component runs on a host: flags, and entries of `hostInterfaces`.
//!
//! A host takes one unnamed entry for each package, so there is one here, whatever versions of it are wanted.

use std::collections::{BTreeMap, BTreeSet};

use crate::host_profile::{InterfaceName, Request};
use crate::output::Advice;

/// What has to be asked for, in the order of the imports.
#[derive(Default)]
pub(crate) struct Wanted {
    requests: Vec<Advice>,
    entries: BTreeMap<String, Entry>,
}

/// An entry of `hostInterfaces`.
#[derive(Default)]
struct Entry {
    versions: BTreeSet<String>,
    interfaces: BTreeSet<String>,
    settings: BTreeSet<String>,
}

impl Wanted {
    /// Notes what an import or export, by its name, needs.
    pub(crate) fn add(&mut self, name: &str, request: Request) {
        let advice = match request {
            Request::Flag(text) => Advice { kind: "flag".to_owned(), text },
            Request::Manifest(text) => Advice { kind: "manifest".to_owned(), text },
            Request::HostInterfaces(setting) => {
                if let Some(name) = InterfaceName::parse(name) {
                    let entry = self.entries.entry(name.package.to_owned()).or_default();
                    entry.versions.insert(name.version.to_owned());
                    entry.interfaces.insert(name.interface.to_owned());
                    entry.settings.extend(Some(setting).filter(|setting| !setting.is_empty()));
                }
                return;
            }
        };
        if !self.requests.contains(&advice) {
            self.requests.push(advice);
        }
    }

    /// All of it.
    pub(crate) fn advice(self) -> Vec<Advice> {
        let entry = |(package, entry): (String, Entry)| Advice {
            kind: "hostInterfaces".to_owned(),
            text: entry.text(&package),
        };
        self.requests.into_iter().chain(self.entries.into_iter().map(entry)).collect()
    }
}

impl Entry {
    fn text(&self, package: &str) -> String {
        let join = |texts: &BTreeSet<String>| texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (namespace, package) = package.split_once(':').unwrap_or(("", package));
        // An entry without a version stands for all of them.
        let version = match self.versions.first().filter(|version| self.versions.len() == 1 && !version.is_empty()) {
            Some(version) => format!(", version: \"{version}\""),
            None => String::new(),
        };
        let config =
            if self.settings.is_empty() { String::new() } else { format!(", config: {{ {} }}", join(&self.settings)) };
        let interfaces = join(&self.interfaces);
        format!("- {{ namespace: {namespace}, package: {package}{version}, interfaces: [{interfaces}]{config} }}")
    }
}
