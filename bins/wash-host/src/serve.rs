//! A host from its start to its end: it listens, starts the workloads, and stops when it is told to.
//!
//! What is to be served has been decided before; nothing is read or built here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wash_runtime::engine::Engine;
use wash_runtime::host::http::{DevRouter, HttpServer};
use wash_runtime::host::{Host, HostApi as _, HostBuilder};
use wash_runtime::types::{WorkloadStartRequest, WorkloadState, WorkloadStatusRequest};
use washlib_cli::CommandError;

use crate::command_error;
use crate::guest_output;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::routing::Routed;

/// How often a service is asked how it is.
const SERVICE_CHECK: Duration = Duration::from_millis(500);

/// What to serve, and how.
pub(crate) struct Plan {
    pub(crate) http_addr: SocketAddr,
    pub(crate) host_name: String,
    pub(crate) drain_timeout: Duration,
    pub(crate) workloads: Vec<Routed>,
}

/// A host in operation.
struct Serving<'a> {
    host: Arc<Host>,
    address: SocketAddr,
    report: &'a Report,
    /// Those that were started, in that order.
    running: Vec<String>,
}

/// Serves until somebody ends it, which is the normal end.
pub(crate) async fn serve(
    plan: Plan,
    report: &Report,
    interrupts: &Interrupts,
    begun: Instant,
) -> Result<(), CommandError> {
    let mut serving = Serving::start(&plan, report).await?;
    let result = serving.operate(plan.workloads, interrupts, begun).await;
    serving.stop(interrupts).await.and(result)
}

impl<'a> Serving<'a> {
    async fn start(plan: &Plan, report: &'a Report) -> Result<Self, CommandError> {
        let failed = |err: anyhow::Error| command_error::listen(err, plan.http_addr);
        let server = HttpServer::new(DevRouter::default(), plan.http_addr).await.map_err(failed)?;
        let address = server.addr();
        let engine = Engine::builder().build().map_err(command_error::host)?;
        let host = HostBuilder::new()
            .with_engine(engine)
            .with_friendly_name(&plan.host_name)
            .with_drain_timeout(plan.drain_timeout)
            .with_guest_output(guest_output::for_stderr())
            .with_http_handler(Arc::new(server))
            .build()
            .map_err(command_error::host)?;
        let host = host.start().await.map_err(command_error::host)?;
        report.started(&plan.host_name, address, None)?;
        Ok(Self { host, address, report, running: Vec::new() })
    }

    async fn operate(
        &mut self,
        workloads: Vec<Routed>,
        interrupts: &Interrupts,
        begun: Instant,
    ) -> Result<(), CommandError> {
        let services: Vec<_> = workloads
            .iter()
            .filter(|routed| routed.request.workload.service.is_some())
            .map(|routed| routed.request.workload_id.clone())
            .collect();
        tokio::select! {
            started = self.start_workloads(workloads) => started?,
            () = interrupts.wait() => return Ok(()),
        }
        self.report.ready(self.address, self.running.len(), begun.elapsed())?;
        tokio::select! {
            watched = self.watch_services(services) => watched,
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
                let Some(Routed { request, hosts }) = waiting.next() else { break };
                starts.spawn(start_workload(Arc::clone(&self.host), request, hosts));
            }
            let Some(started) = starts.join_next().await else { return Ok(()) };
            let (workload_id, hosts, elapsed) = started.map_err(CommandError::failure)??;
            self.report.workload_started(&workload_id, &hosts, elapsed)?;
            self.running.push(workload_id);
        }
    }

    /// Tells what becomes of services, for as long as there are any; never returns without an error.
    async fn watch_services(&self, mut services: Vec<String>) -> Result<(), CommandError> {
        while !services.is_empty() {
            tokio::time::sleep(SERVICE_CHECK).await;
            for workload_id in std::mem::take(&mut services) {
                let request = WorkloadStatusRequest { workload_id: workload_id.clone() };
                let status = self.host.workload_status(request).await.map_err(command_error::host)?.workload_status;
                match status.workload_state {
                    WorkloadState::Completed => self.report.workload_completed(&workload_id)?,
                    WorkloadState::Error => self.report.workload_failed(&workload_id, &status.message)?,
                    WorkloadState::NotFound => {}
                    _ => services.push(workload_id),
                }
            }
        }
        std::future::pending().await
    }

    async fn stop(&self, interrupts: &Interrupts) -> Result<(), CommandError> {
        let begun = Instant::now();
        self.report.stopping()?;
        let stopped = tokio::select! {
            stopped = self.host.stop() => stopped,
            // Whoever asks twice does not want to wait.
            () = interrupts.wait() => {
                self.report.warn("ending without waiting for the requests in flight")?;
                Ok(())
            }
        };
        stopped.map_err(command_error::host)?;
        for workload_id in &self.running {
            self.report.workload_stopped(workload_id)?;
        }
        self.report.stopped(begun.elapsed())
    }
}

async fn start_workload(
    host: Arc<Host>,
    request: WorkloadStartRequest,
    hosts: Vec<String>,
) -> Result<(String, Vec<String>, Duration), CommandError> {
    let begun = Instant::now();
    let workload_id = request.workload_id.clone();
    let started = host.workload_start(request).await;
    started.map_err(|err| command_error::start(err, &workload_id))?;
    Ok((workload_id, hosts, begun.elapsed()))
}
