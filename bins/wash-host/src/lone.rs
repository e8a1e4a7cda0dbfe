//! A workload around one component that nothing else describes.
//!
//! What the component imports is what it asks for, so the entries of `host_interfaces` are written from that.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest};
use wash_runtime::wit::WitInterface;

use crate::options::{Backends, ComponentSettings};
use crate::source::{Names, dns_label};
use crate::startable::{ComponentOrigin, ComponentOrigins, Reading, Startable};

/// Packages whose interfaces a host provides only to those who ask.
const ASKED_FOR: [(&str, &str); 6] = [
    ("wasi", "blobstore"),
    ("wasi", "config"),
    ("wasi", "http"),
    ("wasi", "keyvalue"),
    ("wasi", "logging"),
    ("wasmcloud", "messaging"),
];

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
        let names = Names::read(&self.bytes);
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
            host_interfaces: host_interfaces(&names, settings, backends),
            volumes: settings.volumes.clone(),
            ..Workload::default()
        };
        Startable { request: WorkloadStartRequest { workload_id: format!("default/{name}"), workload }, origins }
    }
}

fn host_interfaces(names: &Names, settings: &ComponentSettings, backends: &Backends) -> Vec<WitInterface> {
    let mut packages: BTreeMap<(&str, &str), HashSet<String>> = BTreeMap::new();
    for name in names.imports.iter().chain(&names.exports) {
        let Some((package, interface)) = asked_for(name) else { continue };
        packages.entry(package).or_default().insert(interface.to_owned());
    }
    let entry = |((namespace, package), interfaces)| WitInterface {
        namespace: String::from(namespace),
        package: String::from(package),
        interfaces,
        // Whatever version the component was built for.
        version: None,
        config: match (namespace, package) {
            ("wasi", "http") => settings.http.clone().into_iter().collect(),
            package => backends.get(&package).cloned().unwrap_or_default().into_iter().collect(),
        },
        name: None,
    };
    packages.into_iter().map(entry).collect()
}

/// The package and the interface of a name such as `wasi:keyvalue/store@0.2.0`, if it has to be asked for.
fn asked_for(name: &str) -> Option<((&'static str, &'static str), &str)> {
    let path = name.split('@').next()?;
    let (package, interface) = path.split_once('/')?;
    let (namespace, package) = package.split_once(':')?;
    let known = ASKED_FOR.into_iter().find(|known| *known == (namespace, package))?;
    Some((known, interface))
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
        let entries = host_interfaces(&names, &settings, &backends);
        let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["wasi:http/incoming-handler", "wasi:keyvalue/atomics,store"]);
        assert_eq!(entries[0].config["request-timeout"], "5s");
        assert_eq!(entries[1].config["backend"], "in-memory");
    }
}
