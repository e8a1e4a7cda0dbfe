//! A workload's service: one instance that runs as long as the workload, and is started again when it fails. It is a
//! program with a course of its own, or answers calls of the workload's components, one after another.
//!
//! Each start has a fresh store, so that nothing of a failed run is left in the next. A service runs on the engine's
//! threads for guests that compute for long, so that it never keeps the embedder's own waiting.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;
use wasmtime::Store;
#[cfg(feature = "wasip3")]
use wasmtime::component::Accessor;
use wasmtime::component::{Instance, Val};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

use super::events::HostEvent;
use crate::engine::linked::Linked;
use crate::engine::schedule::Schedule;
use crate::engine::service_calls::{OpenCalls, ServiceCall, ServiceCallError};
use crate::engine::{Ctx, new_store};

/// The pause before the first restart; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A service that has run for so long has recovered: its next failure counts as the first.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);

/// How long a service may take to notice that it has been ended: it does when it waits, and with every epoch.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Where a service is in its life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ServiceState {
    Running,
    Completed,
    Failed { reason: String },
}

/// A service at work. Dropped, it is ended.
pub(super) struct ServiceTask {
    task: JoinHandle<()>,
    begin: Option<oneshot::Sender<()>>,
    state: watch::Receiver<ServiceState>,
    restarted: Arc<AtomicU64>,
}

impl ServiceTask {
    /// Prepares the workload's service, which waits for [`Self::begin`].
    pub(super) fn prepare(
        linked: Arc<Linked>,
        item: usize,
        max_restarts: u64,
        events: broadcast::Sender<HostEvent>,
    ) -> Self {
        let (sender, state) = watch::channel(ServiceState::Running);
        let (begin, begun) = oneshot::channel();
        let engine = linked.engine().clone();
        let restarted = Arc::<AtomicU64>::default();
        let service = Service { linked, item, max_restarts, events, restarted: Arc::clone(&restarted) };
        let task = engine.compute().spawn(async move {
            if begun.await.is_ok() {
                service.supervise(&sender).await;
            }
        });
        Self { task, begin: Some(begin), state, restarted }
    }

    /// Lets the service run.
    pub(super) fn begin(&mut self) {
        if let Some(begin) = self.begin.take() {
            // It fails only if the task is gone, which its state tells.
            _ = begin.send(());
        }
    }

    /// How often it has been started again, over all its life.
    pub(super) fn restarts(&self) -> u64 {
        self.restarted.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> ServiceState {
        self.state.borrow().clone()
    }

    /// Ends the service, and returns when nothing of it runs any more.
    pub(super) async fn end(mut self) {
        self.task.abort();
        if tokio::time::timeout(END_PATIENCE, &mut self.task).await.is_err() {
            tracing::warn!("a service did not end within {END_PATIENCE:?}");
        }
    }
}

impl Drop for ServiceTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service {
    linked: Arc<Linked>,
    item: usize,
    max_restarts: u64,
    events: broadcast::Sender<HostEvent>,
    restarted: Arc<AtomicU64>,
}

impl Service {
    /// Runs the service until it has finished or failed too often. The state changes before the event that tells of it.
    async fn supervise(&self, state: &watch::Sender<ServiceState>) {
        let workload_id = || self.linked.identity.id.clone();
        let mut restarts = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let reason = match self.run_caught().await {
                Ok(()) => {
                    state.send_replace(ServiceState::Completed);
                    _ = self.events.send(HostEvent::ServiceCompleted { workload_id: workload_id() });
                    return;
                }
                Err(err) => format!("{err:?}"),
            };
            if started.elapsed() >= RECOVERED_AFTER {
                (restarts, pause) = (0, FIRST_PAUSE);
            }
            let is_over = restarts >= self.max_restarts;
            self.turn_away(if is_over { ServiceCallError::GivenUp } else { ServiceCallError::Restarting }).await;
            if is_over {
                tracing::error!(workload_id = workload_id(), "the service failed for good: {reason}");
                state.send_replace(ServiceState::Failed { reason: reason.clone() });
                _ = self.events.send(HostEvent::ServiceFailed { workload_id: workload_id(), reason });
                return;
            }
            restarts += 1;
            self.restarted.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(workload_id = workload_id(), restarts, "the service failed: {reason}");
            _ = self.events.send(HostEvent::ServiceRestarting {
                workload_id: workload_id(),
                restarts,
                after: pause,
                reason,
            });
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// One run; a panic of the host's own code fails it like a trap of the guest's.
    async fn run_caught(&self) -> wasmtime::Result<()> {
        // The run's store goes with the panic, and nothing else is changed by it.
        match AssertUnwindSafe(self.run()).catch_unwind().await {
            Ok(result) => result,
            Err(_) => wasmtime::bail!("the host itself failed; its log says more"),
        }
    }

    /// One run, to its end.
    async fn run(&self) -> wasmtime::Result<()> {
        // A program may run for as long as it likes; a call is over some time, so that others have their turn.
        let timeout = self.linked.service_calls.as_ref().and(self.linked.engine().call_timeout());
        let schedule = Arc::new(Schedule::new(timeout));
        let (_memory, mut store) = new_store(&self.linked, self.item, Arc::clone(&schedule))?;
        let pre = &self.linked.items[self.item].pre;
        let instance = pre.instantiate_async(&mut store).await?;
        store.data_mut().set_instance(self.item, instance);
        if let Some(calls) = &self.linked.service_calls {
            return self.serve(&mut calls.open().await, &mut store, instance, &schedule).await;
        }
        #[cfg(feature = "wasip3")]
        if let Ok(command) = wasmtime_wasi::p3::bindings::Command::new(&mut store, &instance) {
            let run =
                store.run_concurrent(async |accessor: &Accessor<Ctx>| command.wasi_cli_run().call_run(accessor).await);
            return outcome(schedule.drive(run).await.flatten());
        }
        let command = Command::new(&mut store, &instance)?;
        outcome(schedule.drive(command.wasi_cli_run().call_run(&mut store)).await)
    }

    /// Answers calls, one after another, until one fails. Its store is then of no more use to anybody.
    async fn serve(
        &self,
        calls: &mut OpenCalls<'_>,
        store: &mut Store<Ctx>,
        instance: Instance,
        schedule: &Schedule,
    ) -> wasmtime::Result<()> {
        loop {
            let call = calls.next().await;
            schedule.extend();
            match self.answer(&call, store, instance, schedule).await {
                Ok(results) => call.answer(Ok(results)),
                Err(err) => {
                    let reason = err.root_cause().to_string();
                    call.answer(Err(ServiceCallError::Failed { reason }));
                    return Err(err);
                }
            }
        }
    }

    async fn answer(
        &self,
        call: &ServiceCall,
        store: &mut Store<Ctx>,
        instance: Instance,
        schedule: &Schedule,
    ) -> wasmtime::Result<Vec<Val>> {
        let Some(function) = instance.get_func(&mut *store, call.function) else {
            wasmtime::bail!("the service does not export what it said it would");
        };
        let mut results = vec![Val::Bool(false); call.results];
        let called = schedule.drive(function.call_async(store, &call.parameters, &mut results));
        // One that computes meets the deadline itself, one that waits does not.
        match schedule.deadline() {
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), called).await {
                Ok(called) => called?,
                Err(_) => return Err(schedule.exceeded().into()),
            },
            None => called.await?,
        }
        Ok(results)
    }

    /// Tells those who call that they have to come back, or need not.
    async fn turn_away(&self, reason: ServiceCallError) {
        if let Some(calls) = &self.linked.service_calls {
            calls.close(reason).await;
        }
    }
}

/// What the end of a run means.
fn outcome(ended: wasmtime::Result<Result<(), ()>>) -> wasmtime::Result<()> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => wasmtime::bail!("it ended with a failure"),
        Err(err) => match err.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => Ok(()),
            Some(I32Exit(code)) => wasmtime::bail!("it exited with code {code}"),
            None => Err(err),
        },
    }
}
