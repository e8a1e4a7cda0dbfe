//! What can be said of a workload before anything of it is linked.
//!
//! It reads the request, and the names of what components export; it changes nothing.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::{CONCURRENT_HANDLER, HANDLER, StartError, exports_handler, is_program};
use crate::engine::sockets::NameLookup;
use crate::engine::workload::{HttpOptions, SERVICE_ID, UnresolvedWorkload, http_entry};
use crate::engine::{is_supported_wasi, provides_interface};
use crate::host::http::settings::{INSTANCE_REUSE, REQUEST_TIMEOUT};
use crate::plugin::HostPlugin;
use crate::types::Workload;
use crate::wit::WitInterface;

/// The rule of names that an entry of `host_interfaces` breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum InterfaceNameProblem {
    /// Another entry is for the same package, so that each needs a name.
    Missing,
    /// Another entry for the same package has this name.
    Duplicate,
    /// A name consists of lower-case letters, digits and hyphens, and does not begin with a hyphen.
    Malformed,
}

impl fmt::Display for InterfaceNameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "needs a name, because another entry is for the same package",
            Self::Duplicate => "has the name of another entry for the same package",
            Self::Malformed => "has a name that is not made of lower-case letters, digits and hyphens",
        })
    }
}

/// The names of the workload's parts are unique.
pub(super) fn names(workload: &Workload) -> Result<(), StartError> {
    let service = workload.service.iter().map(|_| SERVICE_ID);
    let mut seen = HashSet::new();
    for name in workload.components.iter().map(|component| component.name.as_str()).chain(service) {
        if !seen.insert(name) {
            return Err(StartError::DuplicateName { name: name.to_string() });
        }
    }
    Ok(())
}

/// The entries follow the rules of names, and someone provides each of them.
pub(super) fn host_interfaces(workload: &Workload, plugins: &[Arc<dyn HostPlugin>]) -> Result<(), StartError> {
    for (index, entry) in workload.host_interfaces.iter().enumerate() {
        let others = workload.host_interfaces.iter().enumerate().filter(|(other, _)| *other != index);
        let mut same_package = others.map(|(_, other)| other).filter(|other| other.same_package(entry)).peekable();
        let problem = match &entry.name {
            None if same_package.peek().is_some() => Some(InterfaceNameProblem::Missing),
            Some(name) if !is_label(name) => Some(InterfaceNameProblem::Malformed),
            Some(name) if same_package.any(|other| other.name.as_ref() == Some(name)) => {
                Some(InterfaceNameProblem::Duplicate)
            }
            None | Some(_) => None,
        };
        if let Some(problem) = problem {
            return Err(StartError::InterfaceName { interface: entry.to_string(), problem });
        }
    }
    let mut unknown: Vec<String> = workload
        .host_interfaces
        .iter()
        .flat_map(|entry| entry.interfaces.iter().map(move |name| (entry, name)))
        .filter(|(entry, name)| !is_known(entry, name, plugins))
        .map(|(entry, name)| format!("{}/{name}", entry.package_name()))
        .collect();
    unknown.sort_unstable();
    if unknown.is_empty() { Ok(()) } else { Err(StartError::UnknownInterfaces { interfaces: unknown }) }
}

fn is_known(entry: &WitInterface, interface: &str, plugins: &[Arc<dyn HostPlugin>]) -> bool {
    let package = entry.package_name();
    let path = format!("{package}/{interface}");
    let of_wasi = provides_interface(&package, interface)
        || path == HANDLER
        || cfg!(feature = "wasip3") && path == CONCURRENT_HANDLER;
    if of_wasi {
        return entry.version.as_ref().is_none_or(is_supported_wasi);
    }
    plugins.iter().any(|plugin| {
        let world = plugin.world();
        world.exports.iter().chain(&world.imports).any(|offered| offered.covers(entry, interface))
    })
}

/// `[a-z0-9][a-z0-9-]*`
fn is_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Someone answers HTTP requests if the workload asks for them, and the service can be run.
pub(super) fn exports(workload: &UnresolvedWorkload) -> Result<(), StartError> {
    let component_exports = || workload.components.iter().flat_map(|component| component.component().exports());
    if http_entry(&workload.host_interfaces).is_some()
        && !workload.components.iter().any(|component| exports_handler(component))
    {
        return Err(StartError::NoHandler { exports: component_exports().collect() });
    }
    if let Some(service) = &workload.service {
        let exports = service.component().exports();
        let one_interface = matches!(exports.as_slice(), [only] if only.parse::<WitInterface>().is_ok());
        if !is_program(service) && !one_interface {
            return Err(StartError::ServiceExports { exports });
        }
    }
    Ok(())
}

/// Reads the settings of the entry for incoming HTTP requests that are the host's own business.
pub(super) fn http_config(entry: &WitInterface, options: &mut HttpOptions) -> Result<(), StartError> {
    let invalid = |key: &str, value: &String, expected| StartError::InterfaceConfig {
        interface: entry.to_string(),
        key: key.to_string(),
        value: value.clone(),
        expected,
    };
    if let Some(value) = entry.config.get(REQUEST_TIMEOUT) {
        let timeout = humantime::parse_duration(value)
            .map_err(|_| invalid(REQUEST_TIMEOUT, value, "a duration such as `30s`"))?;
        options.request_timeout = Some(timeout);
    }
    if let Some(value) = entry.config.get(INSTANCE_REUSE) {
        options.instance_reuse = value.parse().map_err(|_| invalid(INSTANCE_REUSE, value, "a number of requests"))?;
    }
    Ok(())
}

/// The names that a component or the service may resolve: none, unless an entry for `wasi:sockets/ip-name-lookup` asks
/// for it; all, unless its setting `allowed-names` lists some. `allowed-names.<component>` goes first for that component.
/// An empty list allows none.
pub(super) fn name_lookup(interfaces: &[WitInterface], component: &str) -> Result<NameLookup, StartError> {
    let asks = |entry: &&WitInterface| {
        entry.namespace == "wasi" && entry.package == "sockets" && entry.interfaces.contains("ip-name-lookup")
    };
    let Some(entry) = interfaces.iter().find(asks) else { return Ok(NameLookup::Denied) };
    let own = format!("allowed-names.{component}");
    let setting = [own.as_str(), "allowed-names"].into_iter().find_map(|key| Some((key, entry.config.get(key)?)));
    let (key, names) = setting.map_or(("allowed-names", "*"), |(key, names)| (key, names.as_str()));
    let names = names.trim();
    if names.is_empty() {
        return Ok(NameLookup::Denied);
    }
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_string()).collect();
    NameLookup::parse(&names).map_err(|invalid| StartError::InterfaceConfig {
        interface: entry.to_string(),
        key: key.to_string(),
        value: invalid.entry,
        expected: "a list of names such as `example.com,*.example.org`",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_may_resolve_other_names_than_the_workload() {
        let lookup = |settings: &[(&str, &str)], component: &str| {
            let entry = WitInterface {
                namespace: "wasi".to_string(),
                package: "sockets".to_string(),
                interfaces: ["ip-name-lookup".to_string()].into(),
                config: settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
                ..WitInterface::default()
            };
            format!("{:?}", name_lookup(&[entry], component))
        };
        let settings =
            [("allowed-names", "all.example"), ("allowed-names.one", "one.example"), ("allowed-names.two", "")];
        for (component, allowed) in [("one", "\"one.example\""), ("two", "Denied"), ("three", "\"all.example\"")] {
            let lookup = lookup(&settings, component);
            assert!(lookup.contains(allowed), "{component}: {lookup}");
        }
        assert!(lookup(&[], "one").contains("Any"));
        let wrong = lookup(&[("allowed-names.one", "a b")], "one");
        assert!(wrong.contains("allowed-names.one") && wrong.contains("a b"), "{wrong}");
    }
}
