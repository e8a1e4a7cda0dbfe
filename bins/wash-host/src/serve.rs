//! A host from its start to its end: it listens, starts the workloads, and stops when it is told to.
//!
//! What is to be served has been decided before; nothing is read or built here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use wash_runtime::engine::Engine;
use wash_runtime::engine::code_cache::CodeCache;
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::http::{DynamicRouter, HttpServer, TlsConfig};
use wash_runtime::host::lazy::{LazyLimits, Registration};
use wash_runtime::host::{Host, HostApi as _, HostBuilder};
use wash_runtime::standalone::{StandardStorage, with_standard_plugins};
use wash_runtime::types::WorkloadStartRequest;
use washlib_cli::CommandError;

use crate::admin::{Admin, Phase};
use crate::command_error;
use crate::guest_output;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::routing::Routed;
use crate::startable::Startable;
use crate::telemetry::Telemetry;

/// The host as the command line describes it.
pub(crate) struct Plan<'a> {
    pub(crate) http_addr: SocketAddr,
    pub(crate) host_name: String,
    pub(crate) drain_timeout: Duration,
    /// Directories that workloads may mount.
    pub(crate) host_path_roots: Vec<PathBuf>,
    /// Where storage may be.
    pub(crate) storage: StandardStorage,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) admin_addr: Option<SocketAddr>,
    pub(crate) max_instances: Option<u32>,
    pub(crate) telemetry: Option<&'a Telemetry>,
    pub(crate) code_cache: Option<CodeCache>,
    pub(crate) lazy_limits: LazyLimits,
}

impl Plan<'_> {
    fn builder(&self) -> Result<HostBuilder, CommandError> {
        let engine = Engine::builder();
        let engine = match self.max_instances {
            Some(instances) => engine.with_max_instances(instances),
            None => engine,
        };
        let engine = match &self.code_cache {
            Some(cache) => engine.with_code_cache(cache.clone()),
            None => engine,
        };
        let engine = engine.build().map_err(command_error::host)?;
        let builder = HostBuilder::new()
            .with_engine(engine)
            .with_friendly_name(&self.host_name)
            .with_drain_timeout(self.drain_timeout)
            .with_lazy_limits(self.lazy_limits)
            .with_guest_output(guest_output::for_stderr());
        let builder = match self.telemetry.and_then(Telemetry::observer) {
            Some(observer) => builder.with_request_observer(observer),
            None => builder,
        };
        let builder = self.host_path_roots.iter().fold(builder, HostBuilder::with_host_path_root);
        with_standard_plugins(builder, &self.storage).map_err(command_error::host)
    }
}

/// Serves until somebody ends it, which is the normal end.
pub(crate) async fn serve(
    plan: &Plan<'_>,
    workloads: Vec<Routed>,
    report: &Report,
    interrupts: &Interrupts,
    begun: Instant,
) -> Result<(), CommandError> {
    let mut serving = Serving::start(plan, report).await?;
    let result = serving.operate(workloads, interrupts, begun).await;
    // The first thing that went wrong is what is reported.
    let stopped = serving.stop(interrupts).await;
    result.and(stopped)
}

/// Calls one function of a workload on a host that listens nowhere.
pub(crate) async fn invoke(
    plan: &Plan<'_>,
    request: WorkloadStartRequest,
    call: &str,
    timeout: Option<Duration>,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<(), CommandError> {
    let host = plan.builder()?.build().map_err(command_error::host)?;
    let host = host.start().await.map_err(command_error::host)?;
    let called = async {
        let workload_id = request.workload_id.clone();
        let started = host.workload_start(request).await;
        started.map_err(|err| command_error::start(err, &workload_id))?;
        let outcome = host.invoke(&workload_id, call, timeout).await.map_err(command_error::invoke)?;
        if outcome.is_error() { Err(report.invoked_for_an_error(&outcome, call)) } else { report.invoked(&outcome) }
    };
    let called = tokio::select! {
        called = called => called,
        () = interrupts.wait() => Err(CommandError::interrupted()),
    };
    let stopped = tokio::select! {
        stopped = host.stop() => stopped.map_err(command_error::host),
        () = interrupts.wait() => Ok(()),
    };
    called.and(stopped)
}

/// A host in operation.
struct Serving<'a> {
    host: Arc<Host>,
    address: SocketAddr,
    report: &'a Report,
    events: Receiver<HostEvent>,
    admin: Option<Admin>,
    /// Workloads that have been started or registered.
    running: usize,
    /// Those of them that are loaded by their requests.
    registered: usize,
}

impl<'a> Serving<'a> {
    async fn start(plan: &Plan<'_>, report: &'a Report) -> Result<Self, CommandError> {
        let server = HttpServer::new(DynamicRouter::default(), plan.http_addr).await.map_err(command_error::listen)?;
        let address = server.addr();
        let server = match &plan.tls {
            Some(tls) => server.with_tls(tls.clone()).map_err(command_error::tls)?,
            None => server,
        };
        let host = plan.builder()?.with_http_handler(Arc::new(server)).build().map_err(command_error::host)?;
        let events = host.events();
        let host = host.start().await.map_err(command_error::host)?;
        if let Some(telemetry) = plan.telemetry {
            telemetry.observe(&host);
        }
        let admin = match plan.admin_addr {
            Some(address) => {
                let admin = Admin::start(address, Arc::clone(&host)).await;
                Some(admin.map_err(|source| command_error::admin(address, source))?)
            }
            None => None,
        };
        report.started(&plan.host_name, address, admin.as_ref().map(Admin::address));
        Ok(Self { host, address, report, events, admin, running: 0, registered: 0 })
    }

    async fn operate(
        &mut self,
        workloads: Vec<Routed>,
        interrupts: &Interrupts,
        begun: Instant,
    ) -> Result<(), CommandError> {
        tokio::select! {
            started = self.start_workloads(workloads) => started?,
            () = interrupts.wait() => return Ok(()),
        }
        self.set_phase(Phase::Ready);
        if self.registered > 0 {
            self.report.registered(self.registered);
        }
        self.report.ready(self.address, self.running, begun.elapsed());
        tokio::select! {
            () = tell(&mut self.events, self.report) => Ok(()),
            () = interrupts.wait() => Ok(()),
        }
    }

    /// Starts as many at once as there are processors; the first that fails ends it.
    async fn start_workloads(&mut self, workloads: Vec<Routed>) -> Result<(), CommandError> {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut starts = JoinSet::new();
        let mut waiting = workloads.into_iter();
        loop {
            while starts.len() < at_once {
                let Some(routed) = waiting.next() else { break };
                starts.spawn(start_workload(Arc::clone(&self.host), routed));
            }
            let Some(started) = starts.join_next().await else { return Ok(()) };
            let Started { workload_id, hosts, elapsed, registration } = started.map_err(CommandError::failure)??;
            self.running += 1;
            match registration {
                Registration::Started => self.report.workload_started(&workload_id, &hosts, elapsed),
                Registration::Registered => {
                    self.registered += 1;
                    self.report.workload_registered(&workload_id, &hosts);
                }
            }
            self.tell_what_happened();
        }
    }

    /// Tells of events that are there. Where nobody listened for long, some would be missed.
    fn tell_what_happened(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => tell_event(&event, self.report),
                Err(TryRecvError::Lagged(missed)) => self.report.warn(&format!("{missed} events were missed")),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn set_phase(&self, phase: Phase) {
        if let Some(admin) = &self.admin {
            admin.set_phase(phase);
        }
    }

    async fn stop(&mut self, interrupts: &Interrupts) -> Result<(), CommandError> {
        let begun = Instant::now();
        self.set_phase(Phase::Stopping);
        self.report.stopping();
        let stopped = {
            let stop = std::pin::pin!(self.host.stop());
            tokio::select! {
                stopped = stop => stopped,
                () = tell(&mut self.events, self.report) => Ok(()),
                // Whoever asks twice does not want to wait.
                () = interrupts.wait() => {
                    self.report.warn("ending without waiting for the requests in flight");
                    Ok(())
                }
            }
        };
        stopped.map_err(command_error::host)?;
        self.tell_what_happened();
        self.report.stopped(begun.elapsed());
        Ok(())
    }
}

/// A workload that answers.
struct Started {
    workload_id: String,
    hosts: Vec<String>,
    elapsed: Duration,
    registration: Registration,
}

async fn start_workload(host: Arc<Host>, routed: Routed) -> Result<Started, CommandError> {
    let begun = Instant::now();
    let Routed { workload: Startable { request, origins }, hosts } = routed;
    let workload_id = request.workload_id.clone();
    let started = match origins {
        Some(origins) => host.workload_register(request, Arc::new(origins)).await,
        None => host.workload_start(request).await.map(|_| Registration::Started),
    };
    let registration = started.map_err(|err| command_error::start(err, &workload_id))?;
    Ok(Started { workload_id, hosts, elapsed: begun.elapsed(), registration })
}

/// Tells what happens to workloads; never returns.
async fn tell(events: &mut Receiver<HostEvent>, report: &Report) {
    loop {
        match events.recv().await {
            Ok(event) => tell_event(&event, report),
            Err(RecvError::Lagged(missed)) => report.warn(&format!("{missed} events were missed")),
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn tell_event(event: &HostEvent, report: &Report) {
    match event {
        HostEvent::ServiceRestarting { workload_id, restarts, after, reason } => {
            report.service_restarting(workload_id, *restarts, *after, reason);
        }
        HostEvent::ServiceCompleted { workload_id } => report.service_completed(workload_id),
        HostEvent::ServiceFailed { workload_id, reason } => report.service_failed(workload_id, reason),
        HostEvent::WorkloadStopped { workload_id } => report.workload_stopped(workload_id),
        HostEvent::WorkloadLoaded { workload_id } => report.workload_loaded(workload_id),
        HostEvent::WorkloadUnloaded { workload_id } => report.workload_unloaded(workload_id),
        HostEvent::WorkloadLoadFailed { workload_id, reason } => report.workload_load_failed(workload_id, reason),
        // A start is told by whoever asked for it, with what it led to.
        _ => {}
    }
}
