//! Which keys of the configuration `wash dev` follows. Any other one is refused: a setting that is quietly ignored costs
//! its user an afternoon.

use washlib_config::{Component, Config, Origin, Protocol, Sourced};

/// Keys under `dev` and `workload` that have an effect.
const SUPPORTED: [&str; 34] = [
    "dev.address",
    "dev.allow_insecure_registries",
    "dev.command",
    "dev.component_path",
    "dev.components",
    "dev.data_nats_url",
    "dev.environment",
    "dev.host_interfaces",
    "dev.http_client_ca_paths",
    "dev.http_client_trust_roots",
    "dev.http_connection_wait",
    "dev.ignore",
    "dev.max_connections",
    "dev.max_inbound_socket_connections_per_workload",
    "dev.max_outbound_http_connections_per_workload",
    "dev.max_outbound_socket_connections_per_workload",
    "dev.postgres_url",
    "dev.service",
    "dev.service_file",
    "dev.service_image",
    "dev.service_ports",
    "dev.service_pull_policy",
    "dev.tls_ca_path",
    "dev.tls_cert_path",
    "dev.tls_key_path",
    "dev.volumes",
    "dev.wasi_blobstore_path",
    "dev.wasi_keyvalue_nats_url",
    "dev.wasi_keyvalue_path",
    "dev.wasi_keyvalue_redis_url",
    "dev.watch",
    "workload.allowedHosts",
    "workload.allowedIpNameLookups",
    "workload.config",
];

/// A key that asks for what is not there yet.
pub(crate) type UnsupportedKey = (String, Origin);

/// Every key that asks for something `wash dev` cannot do.
pub(crate) fn unsupported(config: &Config) -> Vec<UnsupportedKey> {
    let inert = inert(config);
    let refused = |key: &str| {
        let concerns_dev = key.starts_with("dev.") || key.starts_with("workload.");
        let follows = SUPPORTED.contains(&key) || key == "workload.environment" || inert.contains(&key);
        concerns_dev && !follows
    };
    let mut keys: Vec<_> = config.set_keys().into_iter().filter(|(key, _)| refused(key)).collect();
    for (index, component) in config.dev.components.iter().flat_map(|list| list.value().iter().enumerate()) {
        keys.extend(of_component(index, component));
    }
    for (index, port) in config.dev.service_ports.iter().flat_map(|list| list.value().iter().enumerate()) {
        let udp = port.protocol.as_ref().filter(|protocol| *protocol.value() == Protocol::Udp);
        keys.extend(udp.map(|udp| (format!("dev.service_ports[{index}].protocol UDP"), udp.origin().clone())));
        keys.extend(port.bind.as_ref().map(|bind| (format!("dev.service_ports[{index}].bind"), bind.origin().clone())));
    }
    keys
}

fn of_component(index: usize, component: &Component) -> Vec<UnsupportedKey> {
    let mut keys = Vec::new();
    let mut refuse = |key: &str, origin: &Origin| keys.push((format!("dev.components[{index}].{key}"), origin.clone()));
    if let Some(ports) = component.allowed_host_loopback_ports.as_ref().filter(|ports| !ports.value().is_empty()) {
        refuse("allowedHostLoopbackPorts", ports.origin());
    }
    // An instance serves one call at a time.
    if let Some(calls) = component.max_concurrency.as_ref().filter(|calls| *calls.value() > 1) {
        refuse("maxConcurrency", calls.origin());
    }
    keys
}

/// Keys whose value asks for nothing: what they would switch on stays off.
fn inert(config: &Config) -> Vec<&'static str> {
    let dev = &config.dev;
    let off = |switch: &Option<Sourced<bool>>| switch.as_ref().is_some_and(|switch| !switch.value());
    fn empty<T>(list: Option<&Sourced<Vec<T>>>) -> bool {
        list.is_some_and(|list| list.value().is_empty())
    }
    let loopback_ports = config.workload.as_ref().and_then(|workload| workload.allowed_host_loopback_ports.as_ref());
    let keys = [
        ("dev.host_plugins", empty(dev.host_plugins.as_ref())),
        ("dev.wasi_otel", off(&dev.wasi_otel)),
        ("dev.wasi_webgpu", off(&dev.wasi_webgpu)),
        ("dev.wasm_proposals", empty(dev.wasm_proposals.as_ref())),
        ("workload.allowedHostLoopbackPorts", empty(loopback_ports)),
    ];
    keys.into_iter().filter(|(_, inert)| *inert).map(|(key, _)| key).collect()
}
