//! Connections that wait for their next request.
//!
//! A connection is best used again on the runtime that drives it. Threads for guests that compute for long drive theirs
//! for themselves alone: others would have to wait behind those guests. How many connections there are is bounded for
//! each server and altogether, and none is kept for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connection::Connection;
use super::target::Origin;

/// How much is kept.
#[derive(Clone, Debug)]
pub(super) struct PoolLimits {
    /// How long a connection waits for a request.
    pub(super) idle: Duration,
    /// Connections to one server.
    pub(super) for_each_origin: usize,
    pub(super) altogether: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), for_each_origin: 16, altogether: 64 }
    }
}

/// One workload's connections.
pub(super) struct Pool {
    limits: PoolLimits,
    /// The runtime of guests that compute for long.
    slow: Option<runtime::Id>,
    /// Becomes true when the host stops.
    closing: watch::Receiver<bool>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last comes last.
    connections: Vec<Kept>,
    /// The task that removes connections which nobody asks for. It lives while there are any.
    reaper: Option<AbortHandle>,
}

struct Kept {
    origin: Origin,
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits, slow: Option<runtime::Id>, closing: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self { limits, slow, closing, idle: Mutex::default() })
    }

    /// A connection to this server: preferably one that the current runtime drives, and the one used last.
    pub(super) fn take(&self, origin: &Origin) -> Option<Connection> {
        let here = Handle::try_current().ok()?.id();
        let mut idle = self.idle();
        idle.connections.retain(|kept| !kept.connection.is_closed());
        let find = |is_driven_well: &dyn Fn(runtime::Id) -> bool| {
            let fits = |kept: &Kept| is_driven_well(kept.connection.runtime().id()) && kept.origin == *origin;
            idle.connections.iter().rposition(fits)
        };
        let position = find(&|runtime| runtime == here).or_else(|| find(&|runtime| Some(runtime) != self.slow))?;
        let mut kept = idle.connections.remove(position);
        if let Some(shared) = kept.connection.share() {
            kept.since = Instant::now();
            idle.connections.push(kept);
            return Some(shared);
        }
        Some(kept.connection)
    }

    /// Keeps a connection, and lets go of an older one where there are too many.
    pub(super) fn put(self: &Arc<Self>, origin: Origin, connection: Connection) {
        if connection.is_closed() || *self.closing.borrow() {
            return;
        }
        let runtime = connection.runtime().clone();
        let mut idle = self.idle();
        let same = |kept: &Kept| kept.origin == origin;
        let full = idle.connections.iter().filter(|kept| same(kept)).count() >= self.limits.for_each_origin;
        if full && let Some(oldest) = idle.connections.iter().position(same) {
            idle.connections.remove(oldest);
        } else if idle.connections.len() >= self.limits.altogether && !idle.connections.is_empty() {
            idle.connections.remove(0);
        }
        idle.connections.push(Kept { origin, connection, since: Instant::now() });
        // A runtime that ends takes the task with it.
        if idle.reaper.as_ref().is_none_or(AbortHandle::is_finished) {
            idle.reaper = Some(self.reap(&runtime));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Each change is a single step, so a poisoned list is still whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reap(self: &Arc<Self>, runtime: &Handle) -> AbortHandle {
        let pool = Arc::downgrade(self);
        let mut closing = self.closing.clone();
        let reaper = runtime.spawn(async move {
            loop {
                let next = pool.upgrade().and_then(|pool| pool.expire());
                let Some(next) = next else { return };
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    // Without its sender the host is gone.
                    _ = closing.wait_for(|closing| *closing) => {
                        if let Some(pool) = pool.upgrade() {
                            pool.clear();
                        }
                        return;
                    }
                }
            }
        });
        reaper.abort_handle()
    }

    /// Lets go of what has waited for too long, and tells when to look again; `None` if nothing is left.
    fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.connections.retain(|kept| !kept.connection.is_closed() && now < kept.since + self.limits.idle);
        let next = idle.connections.iter().map(|kept| kept.since + self.limits.idle).min();
        if next.is_none() {
            idle.reaper = None;
        }
        next
    }

    fn clear(&self) {
        *self.idle() = Idle::default();
    }
}
