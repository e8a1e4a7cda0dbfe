//! The queue between the broker and one subscriber, bounded in messages and in bytes.
//!
//! It never waits for room: a message that does not fit is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::broker::{Message, RequestError};
use super::inbox::{Pending, Stake};
use super::subject::Subject;
use crate::plugin::token_bucket::TokenBucket;

/// What a message costs beside its body: subjects, handles, its place in the queue.
const MESSAGE_OVERHEAD: usize = 512;

/// A flood of lost messages is worth one line in so long.
const SHED_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The broker's end.
pub(super) struct Queue {
    sender: mpsc::Sender<Delivery>,
    bytes: Arc<Semaphore>,
    reports: TokenBucket,
}

/// The subscriber's end.
pub(super) struct Deliveries(mpsc::Receiver<Delivery>);

/// A message for one subscriber. It counts against the queue's bytes until it is dropped.
pub(super) struct Delivery {
    pub(super) message: Message,
    queued: Instant,
    stake: Option<Stake>,
    _bytes: OwnedSemaphorePermit,
}

pub(super) fn bounded(messages: usize, bytes: usize) -> (Queue, Deliveries) {
    let (sender, receiver) = mpsc::channel(messages.max(1));
    let bytes = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
    let reports = TokenBucket::new(1, SHED_REPORT_INTERVAL, Instant::now());
    (Queue { sender, bytes, reports }, Deliveries(receiver))
}

impl Queue {
    /// Puts the message into the queue, if there is room.
    pub(super) fn offer(&self, message: &Message, pending: Option<&Arc<Pending>>) -> bool {
        let size = u32::try_from(message.body.len() + MESSAGE_OVERHEAD).unwrap_or(u32::MAX);
        let Ok(place) = self.sender.try_reserve() else { return false };
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(size) else { return false };
        place.send(Delivery {
            message: message.clone(),
            queued: Instant::now(),
            stake: pending.map(Pending::stake),
            _bytes: bytes,
        });
        true
    }

    pub(super) fn report_shed(&self, subject: &Subject) {
        if self.reports.take(Instant::now()) {
            tracing::warn!(%subject, "a subscriber has no room for more messages, some are lost");
        }
    }
}

impl Deliveries {
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        self.0.recv().await
    }
}

impl Delivery {
    /// How long it has been waiting.
    pub(super) fn age(&self) -> Duration {
        self.queued.elapsed()
    }

    /// The handler did its part; if this was a request, the answer may come from anywhere.
    pub(super) fn handled(mut self) {
        if let Some(stake) = self.stake.take() {
            stake.handled();
        }
    }

    /// The handler failed. If this was a request and nobody else can answer, it ends with this failure.
    pub(super) fn failed(mut self, failure: RequestError) {
        if let Some(stake) = self.stake.take() {
            stake.failed(failure);
        }
    }
}
