//! Request events on their way to stdout.
//!
//! Whoever reads them may be slow, or have stopped: requests do not wait for that. What does not fit in the queue is
//! counted, not kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;
use washlib_cli::{CommandError, Ui};
use washlib_registry_server::RequestRecord;

/// How many events may wait: some hundred kilobytes.
const QUEUE: usize = 2048;

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

/// Where events wait.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    queue: SyncSender<RequestEvent>,
    lost: Arc<AtomicU64>,
}

impl Requests {
    /// Begins to write events. The thread ends when all senders are gone, or nobody reads any more.
    pub(super) fn start(ui: &Ui) -> Result<(Self, JoinHandle<()>), CommandError> {
        let (queue, events) = sync_channel(QUEUE);
        let ui = ui.clone();
        let write = move || {
            for event in events {
                if ui.event(&event).is_err() {
                    return;
                }
            }
        };
        let thread =
            std::thread::Builder::new().name("events".to_owned()).spawn(write).map_err(CommandError::failure)?;
        Ok((Self { queue, lost: Arc::default() }, thread))
    }

    pub(super) fn tell(&self, record: &RequestRecord<'_>) {
        let event = RequestEvent {
            client: record.client,
            method: record.method.to_owned(),
            path: record.path.to_owned(),
            status: record.status,
            sent: record.sent,
            elapsed_ms: u64::try_from(record.elapsed.as_millis()).unwrap_or(u64::MAX),
            complete: record.is_complete,
            error: record.failure.map(str::to_owned),
            lost: self.lost.swap(0, Ordering::Relaxed),
        };
        if let Err(refused) = self.queue.try_send(event) {
            let (std::sync::mpsc::TrySendError::Full(event) | std::sync::mpsc::TrySendError::Disconnected(event)) =
                refused;
            self.lost.fetch_add(event.lost + 1, Ordering::Relaxed);
        }
    }
}
