//! What a host counts: requests by outcome, how long they took, what is in flight.
//!
//! It only counts. A request costs a few atomic additions and neither a lock nor an allocation; labels are a fixed set,
//! so that no guest and no client can make them many. How the numbers are written down is up to the embedder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::engine::PoolUsage;

/// Upper ends of the buckets for how long requests take, in seconds; a last bucket without an end takes the rest.
pub const LATENCY_BUCKETS: [f64; 14] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The same ends in nanoseconds, so that nothing is converted for each request.
const BUCKET_ENDS: [u64; 14] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// The guest answered with a status below 400.
    Success,
    /// The guest answered with a status from 400 to 499.
    ClientError,
    /// The guest answered with a status from 500.
    ServerError,
    /// The guest trapped, exited or returned without a response.
    Failed,
    /// The guest took longer than it may.
    TimedOut,
    /// As many requests were in flight as may be.
    Rejected,
    /// The workload stopped before the guest had answered.
    Stopped,
}

impl RequestOutcome {
    /// Every outcome, in the order of the counts in a snapshot.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::ClientError,
        Self::ServerError,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Stopped,
    ];

    /// The outcome of a request that the guest has answered.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            0..400 => Self::Success,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// A word for a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
        }
    }
}

/// The counts of one workload.
///
/// On a cache line of its own: what threads count here must not slow down what they read beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkloadMetrics {
    outcomes: [AtomicU64; RequestOutcome::ALL.len()],
    buckets: [AtomicU64; LATENCY_BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl WorkloadMetrics {
    /// Counts a request that has been answered, `duration` being the time until its response began.
    pub fn record(&self, outcome: RequestOutcome, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKET_ENDS.partition_point(|end| *end < nanoseconds);
        // Both are in bounds: an outcome is its own index, and there is one bucket more than ends.
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The counts now. While requests are being counted, they may differ from each other by those.
    pub fn snapshot(&self) -> RequestCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut outcomes = [0; RequestOutcome::ALL.len()];
        let mut buckets = [0; LATENCY_BUCKETS.len() + 1];
        outcomes.iter_mut().zip(&self.outcomes).for_each(|(copy, count)| *copy = read(count));
        buckets.iter_mut().zip(&self.buckets).for_each(|(copy, count)| *copy = read(count));
        RequestCounts { outcomes, buckets, total: Duration::from_nanos(read(&self.nanoseconds)) }
    }
}

/// Counts of requests at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    outcomes: [u64; RequestOutcome::ALL.len()],
    buckets: [u64; LATENCY_BUCKETS.len() + 1],
    total: Duration,
}

impl RequestCounts {
    /// How many requests had this outcome.
    pub fn by_outcome(&self, outcome: RequestOutcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many requests took at most as long as each of [`LATENCY_BUCKETS`] and longer than the one before; the last
    /// number is that of all longer ones.
    pub fn buckets(&self) -> &[u64; LATENCY_BUCKETS.len() + 1] {
        &self.buckets
    }

    /// How many requests there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long all of them took together.
    pub fn total_duration(&self) -> Duration {
        self.total
    }
}

/// The numbers of one running workload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkloadSnapshot {
    /// The workload's id.
    pub workload_id: String,
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's name.
    pub name: String,
    /// Requests that have been answered.
    pub requests: RequestCounts,
    /// Requests and other invocations that are being worked on.
    pub in_flight: u64,
    /// How often its service has been started again.
    pub service_restarts: u64,
}

/// The numbers of a host at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostMetrics {
    /// Those of each running workload.
    pub workloads: Vec<WorkloadSnapshot>,
    /// The pool that instances come from, where there is one.
    pub pool: Option<PoolUsage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_once_in_each_dimension() {
        let metrics = WorkloadMetrics::default();
        for (outcome, micros) in [
            (RequestOutcome::Success, 0),
            (RequestOutcome::Success, 100),
            (RequestOutcome::Failed, 101),
            (RequestOutcome::TimedOut, 60_000_000),
        ] {
            metrics.record(outcome, Duration::from_micros(micros));
        }
        metrics.record(RequestOutcome::Stopped, Duration::MAX);
        let counts = metrics.snapshot();
        assert_eq!(counts.count(), 5);
        assert_eq!(counts.by_outcome(RequestOutcome::Success), 2);
        assert_eq!(counts.by_outcome(RequestOutcome::Rejected), 0);
        assert_eq!((counts.buckets()[0], counts.buckets()[1], counts.buckets()[14]), (2, 1, 2));
        assert_eq!(RequestOutcome::ALL.map(|outcome| counts.by_outcome(outcome)).iter().sum::<u64>(), 5);
    }

    #[test]
    fn outcomes_are_their_own_index_and_buckets_have_their_ends() {
        for (index, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (seconds, nanoseconds) in LATENCY_BUCKETS.into_iter().zip(BUCKET_ENDS) {
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(nanoseconds));
        }
        for (status, outcome) in
            [(101, RequestOutcome::Success), (399, RequestOutcome::Success), (404, RequestOutcome::ClientError)]
        {
            assert_eq!(RequestOutcome::of_status(StatusCode::from_u16(status).unwrap()), outcome);
        }
        assert_eq!(RequestOutcome::of_status(StatusCode::from_u16(999).unwrap()), RequestOutcome::ServerError);
    }
}
