//! Which loaded workloads nobody wants any more.
//!
//! It chooses; a workload refuses to be unloaded while it is in use.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::LazyWorkload;
use super::load::Loader;
use crate::host::registry::locked;

/// How often idle workloads are looked for, as a part of the idle time, and the bounds of that.
const LOOKS_PER_TIMEOUT: u32 = 8;
const OFTENEST: Duration = Duration::from_millis(20);
const SELDOMEST: Duration = Duration::from_secs(15);

/// Looks for idle workloads for as long as the loader is there.
pub(super) fn watch(loader: &Arc<Loader>) {
    let Some(timeout) = loader.limits.idle_timeout else { return };
    let pause = (timeout / LOOKS_PER_TIMEOUT).clamp(OFTENEST, SELDOMEST);
    let loader = Arc::downgrade(loader);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let Some(loader) = loader.upgrade() else { return };
            loader.sweep().await;
        }
    });
}

impl Loader {
    /// Notes that a workload is loaded, and unloads others where that makes too many.
    pub(super) async fn remember(&self, workload: &Arc<LazyWorkload>) {
        let listed = {
            let mut loaded = locked(&self.loaded);
            loaded.push(Arc::downgrade(workload));
            loaded.len()
        };
        if listed > self.limits.most_loaded {
            self.sweep().await;
        }
    }

    /// Unloads what has been idle for too long, and of the rest what has been idle for longest where there is too much.
    async fn sweep(&self) {
        let Ok(_sweeping) = self.sweeping.try_lock() else { return };
        let mut loaded = std::mem::take(&mut *locked(&self.loaded));
        let mut candidates = loaded_now(&mut loaded);
        locked(&self.loaded).append(&mut loaded);
        let now = self.now();
        let timeout = self.limits.idle_timeout.and_then(|timeout| u64::try_from(timeout.as_millis()).ok());
        candidates.sort_by_key(|workload| Reverse(workload.last_used.load(Ordering::Relaxed)));
        // The latest used first: whatever comes after as many as may be loaded is too much.
        for (index, workload) in candidates.iter().enumerate().rev() {
            let Some(running) = workload.current.load_full() else { continue };
            if running.workload().requests_in_flight() > 0 {
                workload.touch();
                continue;
            }
            let idle = now.saturating_sub(workload.last_used.load(Ordering::Relaxed));
            let is_overdue = timeout.is_some_and(|timeout| idle >= timeout);
            if running.workload().is_restorable() && (is_overdue || index >= self.limits.most_loaded) {
                drop(running);
                workload.unload().await;
            }
        }
    }
}

/// Those that are loaded, each once; what is left in the list is as much.
fn loaded_now(list: &mut Vec<Weak<LazyWorkload>>) -> Vec<Arc<LazyWorkload>> {
    let mut workloads: Vec<_> =
        list.iter().filter_map(Weak::upgrade).filter(|workload| workload.current.load().is_some()).collect();
    workloads.sort_by_key(Arc::as_ptr);
    workloads.dedup_by(|one, other| Arc::ptr_eq(one, other));
    *list = workloads.iter().map(Arc::downgrade).collect();
    workloads
}
