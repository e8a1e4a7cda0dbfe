//! How long guests may compute: the deadline of one invocation, and a component's share of the processor.
//!
//! Time is counted in epochs, the engine's clock ticks: a guest that computes meets each of them, a guest that waits
//! meets none. So it costs nothing where nobody computes for long.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::EPOCH;

const NO_DEADLINE: u64 = u64::MAX;

/// A guest took longer than its invocation may take.
#[derive(Debug, Error)]
#[error("it took longer than its time limit of {0:?}")]
pub(crate) struct DeadlineExceeded(pub(crate) Duration);

/// The time that one invocation has.
#[derive(Debug)]
pub(crate) struct Schedule {
    started: Instant,
    timeout: Option<Duration>,
    /// Milliseconds after the start.
    deadline: AtomicU64,
    epochs: AtomicU32,
    /// Nanoseconds after the start: when the guest last got a thread to run on.
    resumed: AtomicI64,
}

/// What a guest that meets the end of an epoch has done in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Epoch {
    /// It has computed.
    Computed,
    /// It has waited for most of it. The end of an epoch is a point in time, so that a guest which was not running then
    /// meets it as soon as it goes on.
    Waited,
}

impl Schedule {
    /// For an invocation that begins now.
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        Self::since(Instant::now(), timeout)
    }

    /// For an invocation whose time has begun already.
    pub(crate) fn since(started: Instant, timeout: Option<Duration>) -> Self {
        let schedule = Self {
            started,
            timeout,
            deadline: AtomicU64::new(NO_DEADLINE),
            epochs: AtomicU32::new(0),
            resumed: AtomicI64::new(0),
        };
        if let Some(timeout) = timeout {
            schedule.deadline.store(milliseconds(timeout), Ordering::Relaxed);
        }
        schedule
    }

    /// The guest has got somewhere: its time begins anew.
    pub(crate) fn extend(&self) {
        if let Some(timeout) = self.timeout {
            self.deadline.store(milliseconds(self.started.elapsed().saturating_add(timeout)), Ordering::Relaxed);
        }
    }

    /// When the time is over, if it ever is.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            NO_DEADLINE => None,
            deadline => self.started.checked_add(Duration::from_millis(deadline)),
        }
    }

    /// The error for a guest whose time is over.
    pub(crate) fn exceeded(&self) -> DeadlineExceeded {
        DeadlineExceeded(self.timeout.unwrap_or_default())
    }

    /// Drives a guest, and notes each time that it gets a thread to run on.
    pub(crate) async fn drive<F: Future>(&self, guest: F) -> F::Output {
        let mut guest = pin!(guest);
        poll_fn(|cx| {
            self.resume();
            guest.as_mut().poll(cx)
        })
        .await
    }

    fn resume(&self) {
        self.resumed.store(nanoseconds(self.started.elapsed()), Ordering::Relaxed);
    }

    /// Judges the epoch whose end the guest meets, and counts it if the guest has computed.
    pub(super) fn epoch_ended(&self) -> Result<Epoch, DeadlineExceeded> {
        let elapsed = self.started.elapsed();
        if milliseconds(elapsed) > self.deadline.load(Ordering::Relaxed) {
            return Err(self.exceeded());
        }
        let running = nanoseconds(elapsed) - self.resumed.load(Ordering::Relaxed);
        if running < nanoseconds(EPOCH) / 2 {
            return Ok(Epoch::Waited);
        }
        self.epochs.fetch_add(1, Ordering::Relaxed);
        Ok(Epoch::Computed)
    }

    /// Epochs that the guest has computed through.
    pub(crate) fn epochs(&self) -> u32 {
        self.epochs.load(Ordering::Relaxed)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NO_DEADLINE - 1)
}

/// A component's share of the processor over all its instances: a bucket that fills with time.
#[derive(Debug)]
pub(crate) struct CpuShare {
    /// Thousandths of a core.
    millicores: u32,
    /// Nanoseconds of processor time left to spend; negative when overdrawn.
    balance: AtomicI64,
    filled: Mutex<Instant>,
}

/// What may be saved up while a component rests.
const BURST: Duration = Duration::from_millis(100);

impl CpuShare {
    pub(crate) fn new(millicores: u32) -> Self {
        Self { millicores, balance: AtomicI64::new(nanoseconds(BURST)), filled: Mutex::new(Instant::now()) }
    }

    /// Spends one epoch, and tells how long to rest for it.
    pub(super) fn spend(&self) -> Duration {
        self.balance.fetch_sub(nanoseconds(EPOCH), Ordering::Relaxed);
        self.debt()
    }

    /// How long to rest until nothing is owed.
    pub(crate) fn debt(&self) -> Duration {
        self.fill();
        let owed = -self.balance.load(Ordering::Relaxed);
        let owed = u64::try_from(owed).unwrap_or(0);
        Duration::from_nanos(owed.saturating_mul(1000) / u64::from(self.millicores.max(1)))
    }

    fn fill(&self) {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earned =
            nanoseconds(now.saturating_duration_since(*filled)).saturating_mul(i64::from(self.millicores)) / 1000;
        *filled = now;
        let balance = self.balance.load(Ordering::Relaxed).saturating_add(earned).min(nanoseconds(BURST));
        self.balance.store(balance, Ordering::Relaxed);
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_spends_more_than_its_share_has_to_rest() {
        let share = CpuShare::new(100);
        assert_eq!(share.debt(), Duration::ZERO);
        let mut rest = Duration::ZERO;
        for _ in 0..20 {
            rest = share.spend();
        }
        // 200 ms spent, 100 ms saved: the rest of 100 ms takes a second at a tenth of a core.
        assert!((900..=1000).contains(&rest.as_millis()), "{rest:?}");
    }

    #[test]
    fn computing_past_the_deadline_is_an_error_and_progress_moves_it() {
        let schedule = Schedule::new(Some(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(5));
        schedule.epoch_ended().unwrap_err();
        assert_eq!(Schedule::new(None).deadline(), None);
    }

    #[test]
    fn a_guest_that_waited_has_not_computed() {
        let schedule = Schedule::new(None);
        std::thread::sleep(EPOCH);
        assert_eq!(schedule.epoch_ended().unwrap(), Epoch::Computed);
        schedule.resume();
        assert_eq!(schedule.epoch_ended().unwrap(), Epoch::Waited);
        assert_eq!(schedule.epochs(), 1);
    }
}
