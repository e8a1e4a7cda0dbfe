//! The host that serves the component, and the swap from one version to the next.
//!
//! The new version must have started before the old one stops; the listener and its connections stay.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wash_runtime::engine::Engine;
use wash_runtime::host::http::{DevRouter, HttpServer};
use wash_runtime::host::{Host, HostApi as _, HostBuilder};
use wash_runtime::types::{Component, LocalResources, Workload, WorkloadStartRequest, WorkloadStopRequest};
use wash_runtime::wit::WitInterface;

/// A host with at most one version of the component in service.
pub(crate) struct Served {
    host: Arc<Host>,
    router: DevRouter,
    address: SocketAddr,
    current: Option<Version>,
    started: u64,
}

struct Version {
    workload_id: String,
    component: Bytes,
    resources: LocalResources,
}

/// What became of a component that was offered.
pub(crate) enum Swap {
    /// It is the first, and answers now.
    First,
    /// It answers now instead of the one before.
    Replaced(Duration),
    /// It is the one that answers already.
    Unchanged,
}

impl Served {
    /// Binds the address and answers every request with a message until a component is there.
    pub(crate) async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let router = DevRouter::default();
        router.set_unavailable_message("the first build has not finished yet");
        let server = HttpServer::new(router.clone(), address).await?;
        let address = server.addr();
        let host = HostBuilder::new()
            .with_engine(Engine::builder().build()?)
            .with_friendly_name("wash-dev")
            .with_http_handler(Arc::new(server))
            .build()?;
        let host = host.start().await?;
        Ok(Self { host, router, address, current: None, started: 0 })
    }

    /// Where the host listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a component is in service.
    pub(crate) fn has_component(&self) -> bool {
        self.current.is_some()
    }

    /// What requests are told while there is no component.
    pub(crate) fn set_unavailable_message(&self, message: &str) {
        self.router.set_unavailable_message(message);
    }

    /// Puts a component into service. On an error the one before keeps answering.
    pub(crate) async fn swap(&mut self, component: Bytes, resources: LocalResources) -> anyhow::Result<Swap> {
        if self.current.as_ref().is_some_and(|now| now.component == component && now.resources == resources) {
            return Ok(Swap::Unchanged);
        }
        let since = Instant::now();
        self.started += 1;
        let workload_id = format!("dev-{}", self.started);
        let workload = Workload {
            namespace: "default".to_owned(),
            name: "dev".to_owned(),
            components: vec![Component {
                name: "wash-dev-component".to_owned(),
                bytes: component.clone(),
                local_resources: resources.clone(),
                ..Component::default()
            }],
            // What cannot answer requests is refused, instead of answering each with an error.
            host_interfaces: vec![incoming_http()],
            ..Workload::default()
        };
        self.host.workload_start(WorkloadStartRequest { workload_id: workload_id.clone(), workload }).await?;
        let elapsed = since.elapsed();
        let Some(old) = self.current.replace(Version { workload_id, component, resources }) else {
            return Ok(Swap::First);
        };
        // Requests in flight may take their time; the next build need not wait for them.
        let host = Arc::clone(&self.host);
        tokio::spawn(async move {
            if let Err(err) = host.workload_stop(WorkloadStopRequest { workload_id: old.workload_id }).await {
                tracing::warn!("the version before did not stop: {err:#}");
            }
        });
        Ok(Swap::Replaced(elapsed))
    }

    /// Finishes the requests in flight and ends.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.host.stop().await
    }
}

fn incoming_http() -> WitInterface {
    WitInterface {
        namespace: "wasi".to_owned(),
        package: "http".to_owned(),
        interfaces: HashSet::from(["incoming-handler".to_owned()]),
        ..WitInterface::default()
    }
}
