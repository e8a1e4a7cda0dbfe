//! The events of a development server, as programs read them. Fields are only ever added.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A build has begun, because of these files if there are any.
    Building { project_path: &'a Path, changed: &'a [PathBuf] },
    /// Connections to this address go to a port of the service.
    Publishing { name: &'a str, address: SocketAddr },
    /// A registry is asked for a component.
    Pulling { reference: &'a str },
    /// The component is there; `from` is `cache` or `registry`.
    Pulled { reference: &'a str, digest: &'a str, size: u64, from: &'static str },
    /// The build has left a component.
    Built { component_path: &'a Path, size: u64, elapsed_ms: u64 },
    /// The build, the configuration or the component is bad.
    BuildFailed { message: String, causes: Vec<String>, hints: &'a [String], serving: bool },
    /// The first version answers.
    Ready { address: SocketAddr, url: &'a str, elapsed_ms: u64 },
    /// Another version answers.
    Swapped {
        elapsed_ms: u64,
        /// Since the newest component file was written, as far as its file system tells.
        since_written_ms: u64,
        /// Those with new code.
        components: &'a [String],
        /// `kept` or `restarted`, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<&'static str>,
    },
    /// The build gave what is served already.
    Unchanged,
    /// A request was answered.
    Request {
        method: &'a str,
        /// Without the query, in which there may be secrets.
        path: &'a str,
        status: u16,
        elapsed_ms: f64,
        /// Whether the last good version answered, because the newest is bad.
        stale: bool,
    },
    /// So many requests were answered that these were not told.
    RequestsNotTold { count: u64 },
    /// The service failed and is started again.
    ServiceRestarting { restarts: u64, after_ms: u64, message: &'a str },
    /// The service has finished.
    ServiceCompleted,
    /// The service failed too often.
    ServiceFailed { message: &'a str },
    /// A guest has written a line. For the page alone: on the command line it goes to stderr.
    GuestOutput { component: &'a str, stream: &'static str, line: &'a str },
    /// A build has written a line. For the page alone.
    BuildOutput { line: &'a str },
    /// The routes that requests have taken so far. For the page alone.
    Routes { routes: Vec<Route> },
    /// What is served. For the page alone.
    World { components: Vec<ComponentWorld> },
}

/// What became of the requests for one path.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) count: u64,
    pub(crate) last_status: u16,
    pub(crate) total_ms: f64,
}

/// What a component imports and exports.
#[derive(Debug, Serialize)]
pub(crate) struct ComponentWorld {
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) size: usize,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
