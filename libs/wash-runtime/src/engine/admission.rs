//! How many invocations of one component run at once: the rest waits in line, and the line has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::schedule::Schedule;

/// So many wait for each that runs.
const LINE_PER_PLACE: usize = 16;

/// How long an invocation waits in line.
const PATIENCE: Duration = Duration::from_secs(10);

/// The gate before a component.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Option<Places>,
}

#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    longest_line: usize,
}

/// The line is full, or it did not move for too long.
#[derive(Clone, Copy, Debug, Error)]
#[error("the component has as many requests as it may")]
pub(crate) struct Busy;

impl Admission {
    /// A gate for `max_invocations`, where 0 and negative numbers set no limit.
    pub(crate) fn new(max_invocations: i32) -> Self {
        let places = usize::try_from(max_invocations).ok().filter(|places| *places > 0).map(|places| Places {
            free: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            longest_line: places.saturating_mul(LINE_PER_PLACE),
        });
        Self { places }
    }

    /// Whether everyone is let in at once.
    pub(crate) fn is_open(&self) -> bool {
        self.places.is_none()
    }

    /// Waits for a place, at most until the invocation's time is over; `None` where there is no limit.
    pub(crate) async fn admit_within(&self, schedule: &Schedule) -> Result<Option<OwnedSemaphorePermit>, Busy> {
        let Some(places) = &self.places else { return Ok(None) };
        if let Ok(place) = Arc::clone(&places.free).try_acquire_owned() {
            return Ok(Some(place));
        }
        let _waiting = places.line_up()?;
        let patience = Instant::now() + PATIENCE;
        let patience = schedule.deadline().map_or(patience, |deadline| deadline.min(patience));
        match tokio::time::timeout_at(patience.into(), Arc::clone(&places.free).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }
}

/// A place in the line; dropped, it is left.
struct Waiting<'a>(&'a AtomicUsize);

impl Places {
    fn line_up(&self) -> Result<Waiting<'_>, Busy> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before < self.longest_line { Ok(waiting) } else { Err(Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
