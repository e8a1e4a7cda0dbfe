//! The events that tell of requests. Those that whoever reads them is too slow for are counted, not kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use washlib_cli::{EventQueue, Importance};
use washlib_registry_server::RequestRecord;

/// A request that has ended.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "request")]
struct RequestEvent {
    client: SocketAddr,
    method: String,
    path: String,
    status: u16,
    /// Bytes of the response's body.
    sent: u64,
    elapsed_ms: u64,
    /// Whether the client took the whole response.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How many events before this one were not told, because nobody read them.
    #[serde(skip_serializing_if = "is_zero")]
    lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is told of requests.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    events: EventQueue,
    lost: Arc<AtomicU64>,
}

impl Requests {
    pub(super) fn new(events: EventQueue) -> Self {
        Self { events, lost: Arc::default() }
    }

    pub(super) fn tell(&self, record: &RequestRecord<'_>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let event = RequestEvent {
            client: record.client,
            method: record.method.to_owned(),
            path: record.path.to_owned(),
            status: record.status,
            sent: record.sent,
            elapsed_ms: u64::try_from(record.elapsed.as_millis()).unwrap_or(u64::MAX),
            complete: record.is_complete,
            error: record.failure.map(str::to_owned),
            lost,
        };
        if !self.events.push(&event, Importance::Dispensable) {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }
}
