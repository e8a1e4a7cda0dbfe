//! What a host says of itself and its machine.

use std::collections::HashMap;

use crate::types::HostHeartbeat;
use crate::wit::WitInterface;

/// What only the host knows; the rest is the machine's.
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) friendly_name: String,
    pub(super) started_at: std::time::SystemTime,
    pub(super) component_count: u64,
    pub(super) workload_count: u64,
    pub(super) imports: Vec<WitInterface>,
    pub(super) exports: Vec<WitInterface>,
    pub(super) http_port: Option<u16>,
}

/// Measures the machine; what the system does not tell is 0. This reads files of the system: call it from a thread that may block.
pub(super) fn measure(standing: Standing) -> HostHeartbeat {
    let mut system = sysinfo::System::new().ok();
    if let Some(system) = &mut system {
        system.refresh_memory();
        system.refresh_cpu_usage();
        // Usage is a difference between two moments.
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        system.refresh_cpu_usage();
    }
    let system = system.as_ref();
    HostHeartbeat {
        id: standing.id,
        hostname: sysinfo::System::host_name().unwrap_or_default(),
        friendly_name: standing.friendly_name,
        version: env!("CARGO_PKG_VERSION").to_string(),
        labels: HashMap::new(),
        started_at: standing.started_at,
        os_arch: std::env::consts::ARCH.to_string(),
        os_name: std::env::consts::OS.to_string(),
        os_kernel: std::env::consts::FAMILY.to_string(),
        system_cpu_usage: system.map_or(0.0, sysinfo::System::global_cpu_usage),
        system_memory_total: system.map_or(0, sysinfo::System::total_memory),
        system_memory_free: system.map_or(0, sysinfo::System::available_memory),
        component_count: standing.component_count,
        workload_count: standing.workload_count,
        imports: standing.imports,
        exports: standing.exports,
        http_port: standing.http_port,
    }
}
