//! What the configuration says about a development server, and what it says that this version cannot do.

use std::net::SocketAddr;

use wash_runtime::types::LocalResources;
use washlib_build::{BuildRequest, Purpose};
use washlib_config::{Config, Origin, Project, Sourced, Workload};

/// Keys under `dev` and `workload` that have an effect. Any other one is refused: a setting that is quietly ignored costs
/// its user an afternoon.
const SUPPORTED: [&str; 5] =
    ["dev.address", "dev.command", "dev.component_path", "workload.allowedHosts", "workload.environment"];

/// The configuration as `wash dev` uses it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) address: Sourced<SocketAddr>,
    pub(crate) build: BuildRequest,
    pub(crate) resources: LocalResources,
}

/// A configuration that `wash dev` cannot follow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("`wash dev` does not support {} yet", list(keys))]
    Unsupported { keys: Vec<(String, Origin)> },
    #[error("`{address}` ({origin}) is not an address such as 127.0.0.1:8000")]
    Address { address: String, origin: Origin },
}

impl Settings {
    /// Reads the merged configuration.
    pub(crate) fn new(project: &Project, config: &Config) -> Result<Self, SettingsError> {
        let unsupported = unsupported_keys(config);
        if !unsupported.is_empty() {
            return Err(SettingsError::Unsupported { keys: unsupported });
        }
        Ok(Self {
            address: address(config)?,
            build: BuildRequest::new(project, config, Purpose::Development),
            resources: config.workload.as_ref().map(resources).unwrap_or_default(),
        })
    }
}

fn unsupported_keys(config: &Config) -> Vec<(String, Origin)> {
    let inert = inert_keys(config);
    let refused = |key: &str| {
        let dev = key.starts_with("dev.") || key.starts_with("workload.");
        dev && !SUPPORTED.contains(&key) && !inert.contains(&key)
    };
    let mut keys: Vec<_> = config.set_keys().into_iter().filter(|(key, _)| refused(key)).collect();
    let Some(workload) = &config.workload else { return keys };
    if let Some(references) = &workload.environment.config_from {
        keys.push(("workload.environment.configFrom".to_owned(), references.origin().clone()));
    }
    if let Some(references) = &workload.environment.secret_from {
        keys.push(("workload.environment.secretFrom".to_owned(), references.origin().clone()));
    }
    // To the host an empty list means every host; here it means none, which the host cannot be told yet.
    if let Some(hosts) = workload.allowed_hosts.as_ref().filter(|hosts| hosts.value().is_empty()) {
        keys.push(("an empty workload.allowedHosts".to_owned(), hosts.origin().clone()));
    }
    keys
}

/// Keys whose value asks for nothing: what they would switch on stays off.
fn inert_keys(config: &Config) -> Vec<&'static str> {
    let dev = &config.dev;
    let off = |switch: &Option<Sourced<bool>>| switch.as_ref().is_some_and(|switch| !switch.value());
    fn empty<T>(list: &Option<Sourced<Vec<T>>>) -> bool {
        list.as_ref().is_some_and(|list| list.value().is_empty())
    }
    let keys = [
        ("dev.allow_insecure_registries", off(&dev.allow_insecure_registries)),
        ("dev.components", empty(&dev.components)),
        ("dev.host_interfaces", empty(&dev.host_interfaces)),
        ("dev.host_plugins", empty(&dev.host_plugins)),
        ("dev.service", off(&dev.service)),
        ("dev.service_ports", empty(&dev.service_ports)),
        ("dev.volumes", empty(&dev.volumes)),
        ("dev.wasi_otel", off(&dev.wasi_otel)),
        ("dev.wasi_webgpu", off(&dev.wasi_webgpu)),
        ("dev.wasm_proposals", empty(&dev.wasm_proposals)),
    ];
    keys.into_iter().filter(|(_, inert)| *inert).map(|(key, _)| key).collect()
}

fn address(config: &Config) -> Result<Sourced<SocketAddr>, SettingsError> {
    let address = config.dev.address_or_default();
    // `localhost` as everyone types it, but never whatever else a resolver might make of it.
    let literal = address.value().replacen("localhost:", "127.0.0.1:", 1);
    match literal.parse() {
        Ok(parsed) => Ok(Sourced::new(parsed, address.origin().clone())),
        Err(_) => {
            Err(SettingsError::Address { address: (*address.value()).to_owned(), origin: address.origin().clone() })
        }
    }
}

fn resources(workload: &Workload) -> LocalResources {
    let environment = &workload.environment.config;
    LocalResources {
        environment: environment.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect(),
        allowed_hosts: workload.allowed_hosts.as_ref().map(|hosts| hosts.value().clone()).unwrap_or_default(),
        ..LocalResources::default()
    }
}

fn list(keys: &[(String, Origin)]) -> String {
    keys.iter().map(|(key, origin)| format!("{key} ({origin})")).collect::<Vec<_>>().join(", ")
}
