//! An embeddable host for WebAssembly components: an engine, a host of workloads, and an HTTP server in front of them.
//!
//! It deliberately parses no command line, reads no configuration file and prints nothing: what it has to say it returns
//! or records with `tracing`, and what a guest writes goes to the embedder's [`host::guest_output::GuestOutput`].
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::sync::Arc;
//! use wash_runtime::engine::Engine;
//! use wash_runtime::host::http::{DevRouter, HttpServer};
//! use wash_runtime::host::{HostApi, HostBuilder};
//! use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let http = HttpServer::new(DevRouter::default(), "127.0.0.1:8080".parse()?).await?;
//! let host = HostBuilder::new()
//!     .with_engine(Engine::builder().build()?)
//!     .with_http_handler(Arc::new(http))
//!     .build()?;
//! let host = host.start().await?;
//!
//! host.workload_start(WorkloadStartRequest {
//!     workload_id: "hello-1".to_string(),
//!     workload: Workload {
//!         namespace: "default".to_string(),
//!         name: "hello".to_string(),
//!         annotations: HashMap::new(),
//!         service: None,
//!         components: vec![Component {
//!             name: "hello".to_string(),
//!             bytes: std::fs::read("hello.wasm")?.into(),
//!             digest: None,
//!             local_resources: LocalResources::default(),
//!             pool_size: 0,
//!             max_invocations: 0,
//!         }],
//!         host_interfaces: vec![],
//!         volumes: vec![],
//!     },
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

pub mod engine;
pub mod host;
#[cfg(feature = "oci")]
pub mod oci;
pub mod plugin;
pub mod standalone;
pub mod types;
pub mod wit;
