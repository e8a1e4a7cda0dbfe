//! The threads that serve connections, each with a runtime of its own: what a request starts stays on its thread.
//!
//! A worker accepts nothing and speaks no protocol.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::control::{Command, Control};
use super::limits::Limits;

/// How long blocking work of a worker that ends may go on.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(1);

/// How often to look whether what requests left behind has ended.
const LEFTOVER_TICK: Duration = Duration::from_millis(5);

/// All workers of a server.
pub(super) struct Workers {
    workers: Vec<Arc<Worker>>,
    next: AtomicUsize,
}

/// One thread's runtime and the connections on it.
pub(super) struct Worker {
    runtime: Handle,
    load: AtomicUsize,
    next_id: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<Control>>>,
}

/// A connection's place on its worker; dropped, it is free.
pub(super) struct Place {
    worker: Arc<Worker>,
    id: u64,
    control: Arc<Control>,
}

impl Workers {
    /// Starts the threads. They end when `ended` becomes true or its sender is gone.
    pub(super) fn start(
        count: usize,
        limits: &Limits,
        ended: &watch::Receiver<bool>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut workers = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let name = format!("wash-http-{number}");
            let runtime = Builder::new_current_thread().enable_all().thread_name(name.clone()).build()?;
            let worker = Arc::new(Worker::on(runtime.handle().clone()));
            let (serving, limits, ended) = (Arc::clone(&worker), limits.clone(), ended.clone());
            // A failure ends the threads before it: the caller's sender goes away with this error.
            threads.push(thread::Builder::new().name(name).spawn(move || run(runtime, &serving, &limits, ended))?);
            workers.push(worker);
        }
        Ok((Self { workers, next: AtomicUsize::new(0) }, threads))
    }

    /// The worker for the next connection: of the next two in turn the one with fewer connections.
    pub(super) fn choose(&self) -> Option<&Arc<Worker>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let at = |turn: usize| turn.checked_rem(self.workers.len()).and_then(|index| self.workers.get(index));
        let (one, other) = (at(turn)?, at(turn.wrapping_add(1))?);
        Some(if other.load.load(Ordering::Relaxed) < one.load.load(Ordering::Relaxed) { other } else { one })
    }

    /// Tells every connection to end.
    pub(super) fn command(&self, command: Command) {
        for worker in &self.workers {
            for control in worker.connections().values() {
                control.command(command);
            }
        }
    }

    /// Waits until nothing is left that requests have started.
    pub(super) async fn idle(&self) {
        while self.workers.iter().any(|worker| worker.runtime.metrics().num_alive_tasks() > 0) {
            tokio::time::sleep(LEFTOVER_TICK).await;
        }
    }
}

impl Worker {
    fn on(runtime: Handle) -> Self {
        Self { runtime, load: AtomicUsize::new(0), next_id: AtomicU64::new(0), connections: Mutex::default() }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Control>>> {
        // Each change is a single step, so what a panic leaves is whole.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a connection.
    pub(super) fn place(self: &Arc<Self>, epoch: Instant) -> Place {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let control = Arc::new(Control::new(epoch));
        self.load.fetch_add(1, Ordering::Relaxed);
        self.connections().insert(id, Arc::clone(&control));
        Place { worker: Arc::clone(self), id, control }
    }

    /// Runs a task on the worker's thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn enforce(&self, limits: &Limits) {
        for control in self.connections().values() {
            control.enforce(limits);
        }
    }
}

impl Place {
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.load.fetch_sub(1, Ordering::Relaxed);
        self.worker.connections().remove(&self.id);
    }
}

/// A worker's thread, from beginning to end.
fn run(runtime: Runtime, worker: &Worker, limits: &Limits, mut ended: watch::Receiver<bool>) {
    runtime.block_on(async {
        let mut tick = tokio::time::interval(limits.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // An error means that the server is gone.
                _ = ended.wait_for(|ended| *ended) => return,
                _ = tick.tick() => worker.enforce(limits),
            }
        }
    });
    runtime.shutdown_timeout(BLOCKING_PATIENCE);
}
