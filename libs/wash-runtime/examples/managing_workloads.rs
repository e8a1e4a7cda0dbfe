//! The published guide's calls of a running host, one after the other, with `./my-component.wasm`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to whoever runs it")]

use std::collections::HashMap;
use std::sync::Arc;

use wash_runtime::host::http::{DevRouter, HttpServer};
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest};
use wash_runtime::types::{WorkloadState, WorkloadStatusRequest, WorkloadStopRequest};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let http_handler = HttpServer::new(DevRouter::default(), "127.0.0.1:0".parse()?).await?;
    let host = HostBuilder::new().with_http_handler(Arc::new(http_handler)).build()?.start().await?;

    // Starting a workload
    let component_bytes = std::fs::read("./my-component.wasm")?;
    let request = WorkloadStartRequest {
        workload_id: uuid::Uuid::new_v4().to_string(),
        workload: Workload {
            namespace: "my-app".to_string(),
            name: "http-handler".to_string(),
            annotations: HashMap::from([("version".to_string(), "1.0.0".to_string())]),
            service: None,
            components: vec![Component {
                name: "my-handler".to_string(),
                bytes: component_bytes.into(),
                digest: None,
                local_resources: LocalResources {
                    memory_limit_mb: 64, // In megabytes; -1 = unlimited
                    cpu_limit: -1,       // In millicores; -1 = unlimited
                    config: HashMap::new(),
                    environment: HashMap::from([("LOG_LEVEL".to_string(), "info".to_string())]),
                    volume_mounts: vec![],
                    allowed_hosts: vec!["api.example.com".to_string()],
                },
                pool_size: 10,
                max_invocations: 0, // 0 = unlimited
            }],
            host_interfaces: vec![],
            volumes: vec![],
        },
    };
    let same_request = request.clone();
    let response = host.workload_start(request).await?;
    let workload_id = response.workload_status.workload_id;
    println!("Workload started with ID: {}", workload_id);

    // Checking workload status
    let status = host.workload_status(WorkloadStatusRequest { workload_id: workload_id.clone() }).await?;
    match status.workload_status.workload_state {
        WorkloadState::Running => println!("Workload is running"),
        WorkloadState::Error => println!("Workload encountered an error"),
        WorkloadState::Completed => println!("Workload completed"),
        state => println!("Workload state: {:?}", state),
    }

    // Host heartbeat
    let heartbeat = host.heartbeat().await?;
    println!("Host: {} ({})", heartbeat.friendly_name, heartbeat.id);
    println!(
        "CPU: {:.1}%, Memory: {} MB free / {} MB total",
        heartbeat.system_cpu_usage,
        heartbeat.system_memory_free / 1024 / 1024,
        heartbeat.system_memory_total / 1024 / 1024,
    );
    println!("Workloads: {}, Components: {}", heartbeat.workload_count, heartbeat.component_count);

    // Error handling: the id is taken
    let request = same_request;
    match host.workload_start(request).await {
        Ok(response) => {
            println!("Started workload: {}", response.workload_status.workload_id);
        }
        Err(e) => {
            eprintln!("Failed to start workload: {}", e);
        }
    }

    // Stopping a workload
    host.workload_stop(WorkloadStopRequest { workload_id: workload_id.clone() }).await?;
    host.stop().await
}
