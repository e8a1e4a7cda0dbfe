//! Who watches requests: for traces, and for numbers that the host does not count by itself.
//!
//! Without an observer nothing of this costs anything.

use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::engine::workload::ResolvedWorkload;
use crate::host::metrics::RequestOutcome;

/// Watches a host's requests.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request has been given to a workload. Called on the thread that serves it: it must not block.
    fn begin(&self, workload: &ResolvedWorkload, request: &Parts) -> Box<dyn ObservedRequest>;
}

/// A request that is being watched. Dropped without an end, it was abandoned by its client.
pub trait ObservedRequest: Send {
    /// Headers for the requests that the guest sends meanwhile, such as `traceparent`: they are added to those that have
    /// none of them. By default there are none.
    fn propagate(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// The head of its response is there. What is added to its headers, the client sees.
    fn respond(&mut self, headers: &mut HeaderMap) {
        _ = headers;
    }

    /// The head of its response is there.
    fn end(self: Box<Self>, outcome: RequestOutcome, status: StatusCode);
}
