//! A host in a few lines: serves the component whose path it is given on http://127.0.0.1:8000 until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use wash_runtime::engine::Engine;
use wash_runtime::host::http::{DevRouter, HttpServer};
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest, WorkloadStopRequest};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let path = std::env::args_os().nth(1).context("usage: serve <component.wasm>")?;

    let engine = Engine::builder().with_pooling_allocator(true).build()?;
    let http_handler = HttpServer::new(DevRouter::default(), "127.0.0.1:8000".parse()?).await?;
    let address = http_handler.addr();
    let host = HostBuilder::new()
        .with_engine(engine)
        .with_friendly_name("my-custom-host")
        .with_http_handler(Arc::new(http_handler))
        .build()?;
    let host = host.start().await?;
    println!("Host started: {}", host.friendly_name());

    let component = Component {
        name: "my-component".to_string(),
        bytes: std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?.into(),
        digest: None,
        local_resources: LocalResources::default(),
        pool_size: 5,
        max_invocations: 0,
    };
    let request = WorkloadStartRequest {
        workload_id: "my-component-1".to_string(),
        workload: Workload {
            namespace: "default".to_string(),
            name: "my-component".to_string(),
            annotations: HashMap::new(),
            service: None,
            components: vec![component],
            host_interfaces: vec![],
            volumes: vec![],
        },
    };
    let response = host.workload_start(request).await?;
    let workload_id = response.workload_status.workload_id;
    println!("Workload {workload_id} answers on http://{address}");

    tokio::signal::ctrl_c().await?;
    host.workload_stop(WorkloadStopRequest { workload_id }).await?;
    host.stop().await?;
    println!("Host shutdown complete");
    Ok(())
}
