//! A workload that is compiled, linked and proven to start: what routers hand requests to.
//!
//! It counts the requests in flight and can end them; which workload a request goes to is the router's business.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::{GuestSettings, GuestState};

/// More requests than one workload can have in flight: what holds all of these permits holds the workload alone.
const ALL_REQUESTS: u32 = 1 << 28;

/// A workload that is ready to answer requests, each in an instance of its own.
pub struct ResolvedWorkload {
    id: String,
    namespace: String,
    name: String,
    component: ProxyPre<GuestState>,
    settings: GuestSettings,
    requests: Arc<Semaphore>,
    cancelled: watch::Sender<bool>,
}

/// One request's share of a workload: while it lives, the workload does not finish stopping.
pub(crate) struct InFlight {
    workload: Arc<ResolvedWorkload>,
    _permit: OwnedSemaphorePermit,
}

/// Who a workload is.
pub(crate) struct WorkloadIdentity {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ResolvedWorkload {
    pub(crate) fn new(identity: WorkloadIdentity, component: ProxyPre<GuestState>, settings: GuestSettings) -> Self {
        let WorkloadIdentity { id, namespace, name } = identity;
        Self {
            id,
            namespace,
            name,
            component,
            settings,
            requests: Arc::new(Semaphore::new(ALL_REQUESTS as usize)),
            cancelled: watch::Sender::new(false),
        }
    }

    /// The id it was started with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The workload's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests that it is answering at the moment.
    pub fn requests_in_flight(&self) -> usize {
        (ALL_REQUESTS as usize).saturating_sub(self.requests.available_permits())
    }

    pub(crate) fn new_store(&self) -> Store<GuestState> {
        self.settings.new_store(self.component.engine())
    }

    pub(crate) fn component(&self) -> &ProxyPre<GuestState> {
        &self.component
    }

    /// Joins the requests in flight, unless the workload no longer takes any.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<InFlight> {
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some(InFlight { workload: Arc::clone(self), _permit: permit })
    }

    /// Takes no further requests and waits for those in flight; after `patience` it ends them.
    /// Returns how many it had to end.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        // The semaphore is fair: once this waits for all permits, no new request gets one.
        let mut all = std::pin::pin!(self.requests.acquire_many(ALL_REQUESTS));
        let ended = match tokio::time::timeout(patience, all.as_mut()).await {
            Ok(_) => 0,
            Err(_) => {
                let ended = self.requests_in_flight();
                self.cancelled.send_replace(true);
                _ = all.await;
                ended
            }
        };
        self.requests.close();
        ended
    }

    /// Resolves when requests in flight are to be ended.
    pub(crate) async fn cancelled(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl std::fmt::Debug for ResolvedWorkload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResolvedWorkload")
            .field("id", &self.id)
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl InFlight {
    pub(crate) fn workload(&self) -> &ResolvedWorkload {
        &self.workload
    }
}
