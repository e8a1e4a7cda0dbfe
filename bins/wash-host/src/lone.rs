//! A workload around one component that nothing else describes.
//!
//! What the component imports is what it asks for, so the entries of `host_interfaces` are written from that.

use std::collections::HashMap;

use bytes::Bytes;
use wash_runtime::standalone::{self, Names, Package, dns_label};
use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest};

use crate::options::ComponentSettings;
use crate::startable::{ComponentOrigin, ComponentOrigins, Reading, Startable};
use crate::storage::Backends;

/// A component by itself.
#[derive(Debug)]
pub(crate) struct LoneComponent {
    pub(crate) name: String,
    /// Where it is read from again.
    pub(crate) origin: ComponentOrigin,
    pub(crate) bytes: Bytes,
    /// The digest of its image, if a registry gave it.
    pub(crate) digest: Option<String>,
    /// What its project says it may use.
    pub(crate) resources: LocalResources,
}

impl LoneComponent {
    /// The request that starts it, with what the command line gives.
    pub(crate) fn into_startable(
        self,
        settings: &ComponentSettings,
        backends: &Backends,
        reading: Reading,
    ) -> Startable {
        let name = dns_label(&self.name);
        let mut names = Names::read(&self.bytes);
        if reading == Reading::OnDemand && names.exports.is_empty() {
            // Damaged. What it says only to its requests needs some.
            names.exports.push("wasi:http/incoming-handler".to_owned());
        }
        let (bytes, origins) = match reading {
            Reading::AtStart => (self.bytes, None),
            Reading::OnDemand => {
                let mut origins = ComponentOrigins::default();
                origins.add(&name, self.origin);
                (Bytes::new(), Some(origins))
            }
        };
        let component = Component {
            name: name.clone(),
            bytes,
            digest: self.digest,
            local_resources: settings.resources(self.resources),
            pool_size: settings.pool_size,
            max_invocations: settings.max_invocations,
        };
        let workload = Workload {
            namespace: "default".to_owned(),
            name: name.clone(),
            components: vec![component],
            host_interfaces: standalone::host_interfaces([&names], |package| config(package, settings, backends)),
            volumes: settings.volumes.clone(),
            ..Workload::default()
        };
        Startable { request: WorkloadStartRequest { workload_id: format!("default/{name}"), workload }, origins }
    }
}

fn config((namespace, package): Package, settings: &ComponentSettings, backends: &Backends) -> HashMap<String, String> {
    match (namespace, package) {
        ("wasi", "http") => settings.http.clone().into_iter().collect(),
        package => backends.get(&package).cloned().unwrap_or_default().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_what_the_component_imports() {
        let names = Names {
            imports: [
                "wasi:io/poll@0.2.0",
                "wasi:keyvalue/store@0.2.0",
                "wasi:keyvalue/atomics@0.2.0",
                "plain",
                "x:y/z",
            ]
            .map(str::to_owned)
            .into(),
            exports: vec!["wasi:http/incoming-handler@0.2.0".to_owned()],
        };
        let settings = ComponentSettings {
            http: [("request-timeout".to_owned(), "5s".to_owned())].into(),
            ..ComponentSettings::default()
        };
        let backends = [(("wasi", "keyvalue"), [("backend".to_owned(), "in-memory".to_owned())].into())].into();
        let entries = standalone::host_interfaces([&names], |package| config(package, &settings, &backends));
        let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["wasi:http/incoming-handler", "wasi:keyvalue/atomics,store"]);
        assert_eq!(entries[0].config["request-timeout"], "5s");
        assert_eq!(entries[1].config["backend"], "in-memory");
    }
}
