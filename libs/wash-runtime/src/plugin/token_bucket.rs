//! A limit on how often something happens, with room for bursts.
//!
//! It never waits: whoever gets no token decides what that means.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Holds at most `capacity` tokens and gains one per `interval`.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    capacity: u32,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: u32,
    refilled: Instant,
}

impl TokenBucket {
    /// A full bucket. The interval must not be zero.
    pub(crate) fn new(capacity: u32, interval: Duration, now: Instant) -> Self {
        Self { capacity, interval, state: Mutex::new(State { tokens: capacity, refilled: now }) }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        // Whoever panicked while holding the lock left the two numbers valid.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(state.refilled);
        let gained = u32::try_from(elapsed.as_nanos() / self.interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        if gained >= self.capacity - state.tokens {
            state.tokens = self.capacity;
            state.refilled = now;
        } else {
            state.tokens += gained;
            state.refilled += self.interval * gained;
        }
        if state.tokens == 0 {
            return false;
        }
        state.tokens -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let bucket = TokenBucket::new(3, Duration::from_millis(10), start);
        let taken = |milliseconds| (0..10).filter(|_| bucket.take(at(milliseconds))).count();
        assert_eq!(taken(0), 3);
        assert_eq!(taken(9), 0);
        assert_eq!(taken(10), 1);
        assert_eq!(taken(39), 2);
        assert_eq!(taken(40), 1);
        assert_eq!(taken(3_600_000), 3, "what is not used does not pile up");
        assert_eq!(taken(0), 0, "a clock that goes back gives nothing");
    }
}
