//! What happens in a host, as it happens.
//!
//! Events inform; nothing waits for whoever listens, and one who listens too slowly misses some.

use std::time::Duration;

/// Something that happened to a workload.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HostEvent {
    /// A workload answers from now on.
    WorkloadStarted {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload answers from now on, and is loaded when a request wants it.
    WorkloadRegistered {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload that is loaded by its requests has been loaded.
    WorkloadLoaded {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload that is loaded by its requests was idle and has been unloaded; the next request loads it again.
    WorkloadUnloaded {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload that is loaded by its requests could not be loaded; a later request tries again.
    WorkloadLoadFailed {
        /// The workload's id.
        workload_id: String,
        /// Why, with all its causes.
        reason: String,
    },
    /// A workload could not be started.
    WorkloadFailed {
        /// The workload's id.
        workload_id: String,
        /// Why, with all its causes.
        reason: String,
    },
    /// A workload is gone.
    WorkloadStopped {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload's service failed and is started again.
    ServiceRestarting {
        /// The workload's id.
        workload_id: String,
        /// How often it has been started again, this time included.
        restarts: u64,
        /// How long the host waits before.
        after: Duration,
        /// Why it failed.
        reason: String,
    },
    /// A workload's service has finished.
    ServiceCompleted {
        /// The workload's id.
        workload_id: String,
    },
    /// A workload's service failed and is not started again.
    ServiceFailed {
        /// The workload's id.
        workload_id: String,
        /// Why it failed.
        reason: String,
    },
}
