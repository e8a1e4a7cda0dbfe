//! The host that serves the project, and the swap from one version to the next.
//!
//! The new version must have started before the old one stops; the listener and its connections stay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;
use wash_runtime::engine::code_cache::CodeCache;
use wash_runtime::engine::{Builds, Engine};
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::guest_output::GuestOutput;
use wash_runtime::host::http::{DevRouter, HttpServer, OwnPages, RequestObserver};
use wash_runtime::host::{Host, HostApi as _, HostBuilder, ServiceFate};
use wash_runtime::standalone::with_standard_plugins;
use wash_runtime::types::{Workload, WorkloadStartRequest, WorkloadStopRequest};
use washlib_workload::code_cache_directory;

use crate::ports::{BoundPort, Ports};
use crate::settings::{HostSettings, as_size};

/// A host with at most one version of the project in service.
pub(crate) struct Served {
    host: Arc<Host>,
    router: DevRouter,
    address: SocketAddr,
    current: Option<Version>,
    /// The id of that version, for those who come in by a port.
    current_id: watch::Sender<Option<String>>,
    ports: Ports,
    started: u64,
}

struct Version {
    workload_id: String,
    workload: Workload,
}

/// What a host tells about its guests, and what it answers itself.
pub(crate) struct Surroundings {
    pub(crate) output: Arc<dyn GuestOutput>,
    pub(crate) observer: Arc<dyn RequestObserver>,
    pub(crate) pages: Option<Arc<dyn OwnPages>>,
}

/// What became of a version that was offered.
#[derive(Debug)]
pub(crate) enum Swap {
    /// It is the first, and answers now.
    First,
    /// It answers now instead of the one before.
    Replaced(Replaced),
    /// It is the one that answers already.
    Unchanged,
}

/// What a swap has changed.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) elapsed: Duration,
    /// Names of the components that have new code.
    pub(crate) components: Vec<String>,
    pub(crate) service: ServiceFate,
}

impl Served {
    /// Binds the address and answers every request with a message until a version is there.
    pub(crate) async fn start(settings: &HostSettings, surroundings: Surroundings) -> anyhow::Result<Self> {
        let router = DevRouter::default();
        router.set_unavailable_message("the first build has not finished yet");
        let mut server = HttpServer::new(router.clone(), *settings.address.value()).await?;
        let address = server.addr();
        let mut ports = Vec::new();
        for port in &settings.ports {
            ports.push(BoundPort::bind(port).await?);
        }
        if let Some(tls) = &settings.tls {
            server = server.with_tls(tls.config())?;
        }
        if let Some(limit) = settings.max_connections {
            server = server.with_connection_limit(as_size(limit));
        }
        if let Some(pages) = surroundings.pages {
            server = server.with_own_pages(pages);
        }
        let mut engine = Engine::builder().with_builds(Builds::Successive).with_trust_roots(settings.trust_roots);
        if let Some(cache) = code_cache() {
            engine = engine.with_code_cache(cache);
        }
        for path in &settings.authorities {
            engine = engine.with_extra_root_certificates(fs_err::read(path)?)?;
        }
        let mut builder = HostBuilder::new()
            .with_engine(engine.build()?)
            .with_friendly_name("wash-dev")
            .with_http_handler(Arc::new(server))
            .with_guest_output(surroundings.output)
            .with_request_observer(surroundings.observer)
            // Which folders the project sees is decided by its own configuration, on its owner's machine.
            .with_host_path_root("/")
            .with_outgoing_limits(settings.outgoing);
        if let Some(limit) = settings.max_outside_sockets {
            builder = builder.with_max_outside_sockets(as_size(limit));
        }
        let host = with_standard_plugins(builder, &settings.storage())?.build()?;
        let host = host.start().await?;
        let current_id = watch::Sender::default();
        let ports = Ports::serve(ports, settings.max_inbound_sockets.map(as_size), &host, &current_id.subscribe());
        Ok(Self { host, router, address, current: None, current_id, ports, started: 0 })
    }

    /// Where the host listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ports that lead to the service.
    pub(crate) fn ports(&self) -> &[(String, SocketAddr)] {
        self.ports.addresses()
    }

    /// What happens to services from now on.
    pub(crate) fn events(&self) -> Receiver<HostEvent> {
        self.host.events()
    }

    /// Whether a version is in service.
    pub(crate) fn has_version(&self) -> bool {
        self.current.is_some()
    }

    /// The workload's id of the version in service.
    pub(crate) fn version(&self) -> Option<&str> {
        self.current.as_ref().map(|version| version.workload_id.as_str())
    }

    /// The version in service.
    pub(crate) fn workload(&self) -> Option<&Workload> {
        self.current.as_ref().map(|version| &version.workload)
    }

    /// What requests are told while there is no version.
    pub(crate) fn set_unavailable_message(&self, message: &str) {
        self.router.set_unavailable_message(message);
    }

    /// Puts a version into service. On an error the one before keeps answering.
    pub(crate) async fn swap(&mut self, workload: Workload) -> anyhow::Result<Swap> {
        if self.workload() == Some(&workload) {
            return Ok(Swap::Unchanged);
        }
        let since = Instant::now();
        self.started += 1;
        let workload_id = format!("dev-{}", self.started);
        let request = WorkloadStartRequest { workload_id: workload_id.clone(), workload: workload.clone() };
        let old = self.current.as_ref().map(|version| version.workload_id.as_str());
        let replacement = self.host.workload_replace(old, request).await?;
        let elapsed = since.elapsed();
        if !has_handler(&workload) {
            self.router.set_unavailable_message("no component of this project answers HTTP requests");
        }
        self.current_id.send_replace(Some(workload_id.clone()));
        let Some(old) = self.current.replace(Version { workload_id, workload }) else { return Ok(Swap::First) };
        // Requests in flight may take their time; the next build need not wait for them.
        let host = Arc::clone(&self.host);
        tokio::spawn(async move {
            if let Err(err) = host.workload_stop(WorkloadStopRequest { workload_id: old.workload_id }).await {
                tracing::warn!("the version before did not stop: {err:#}");
            }
        });
        let components = self.workload().map(|new| changed(&old.workload, new)).unwrap_or_default();
        Ok(Swap::Replaced(Replaced { elapsed, components, service: replacement.service }))
    }

    /// Finishes the requests in flight and ends.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.host.stop().await
    }
}

/// Compiled code of earlier times. Without it the first start takes longer, and nothing else is different: so nothing is
/// said where it cannot be had, and no home is made for somebody who has none.
fn code_cache() -> Option<CodeCache> {
    let directory = code_cache_directory(|name| std::env::var_os(name))?;
    let home = directory.ancestors().nth(3)?;
    if !home.is_dir() {
        return None;
    }
    CodeCache::open(&directory).inspect_err(|err| tracing::debug!("compiled code is not kept: {err}")).ok()
}

fn has_handler(workload: &Workload) -> bool {
    let is_incoming = |interfaces: &std::collections::HashSet<String>| {
        interfaces.contains("incoming-handler") || interfaces.contains("handler")
    };
    let mut entries = workload.host_interfaces.iter();
    entries.any(|entry| entry.namespace == "wasi" && entry.package == "http" && is_incoming(&entry.interfaces))
}

/// The components whose code differs.
fn changed(old: &Workload, new: &Workload) -> Vec<String> {
    let code = |name: &str| old.components.iter().find(|component| component.name == name).map(|it| &it.bytes);
    let components = new.components.iter().filter(|component| code(&component.name) != Some(&component.bytes));
    components.map(|component| component.name.clone()).collect()
}
