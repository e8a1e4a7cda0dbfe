//! How much of everything clients may take, and how long.
//!
//! It only holds the numbers; whoever deals with a thing enforces its limit.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// Bounds of the default for open connections; each needs a file descriptor, and guests open some too.
const DEFAULT_CONNECTIONS: std::ops::RangeInclusive<usize> = 64..=32_768;

/// How often timeouts are looked at, as a part of the shortest one: they end at most that much late.
const TICKS_PER_TIMEOUT: u32 = 8;

/// Where no timeout asks for more, and where it would ask for too much.
const SLOWEST_TICK: Duration = Duration::from_secs(1);
const FASTEST_TICK: Duration = Duration::from_millis(5);

/// What every connection and request is held to. `None` sets no limit.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) header_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    /// Between two pieces of a request's body, while somebody waits for the next one.
    pub(super) body_timeout: Option<Duration>,
    pub(super) body_bytes: Option<u64>,
    /// Between two pieces of a response that the client takes.
    pub(super) write_timeout: Option<Duration>,
    pub(super) header_bytes: usize,
    pub(super) headers: usize,
    pub(super) concurrent_streams: u32,
    pub(super) keep_alive_interval: Option<Duration>,
}

/// What the protocol's library allows by default; to ask for the same number makes it slower.
pub(super) const DEFAULT_HEADERS: usize = 100;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: default_connections(),
            header_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(75)),
            body_timeout: Some(Duration::from_secs(60)),
            body_bytes: None,
            write_timeout: Some(Duration::from_secs(60)),
            header_bytes: 64 * 1024,
            headers: DEFAULT_HEADERS,
            concurrent_streams: 200,
            keep_alive_interval: Some(Duration::from_secs(20)),
        }
    }
}

impl Limits {
    /// How often to look for connections that have taken too long.
    pub(super) fn tick(&self) -> Duration {
        let timeouts = [self.header_timeout, self.idle_timeout, self.write_timeout];
        let shortest = timeouts.into_iter().flatten().min();
        shortest.map_or(SLOWEST_TICK, |shortest| (shortest / TICKS_PER_TIMEOUT).clamp(FASTEST_TICK, SLOWEST_TICK))
    }
}

/// Half of the files that the process may open.
fn default_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    (files.unwrap_or(usize::MAX) / 2).clamp(*DEFAULT_CONNECTIONS.start(), *DEFAULT_CONNECTIONS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_timeout_sets_the_tick() {
        let limits = Limits { idle_timeout: Some(Duration::from_millis(160)), ..Limits::default() };
        assert_eq!(limits.tick(), Duration::from_millis(20));
        let limits = Limits { header_timeout: Some(Duration::ZERO), ..Limits::default() };
        assert_eq!(limits.tick(), FASTEST_TICK);
        let limits = Limits { header_timeout: None, idle_timeout: None, write_timeout: None, ..Limits::default() };
        assert_eq!(limits.tick(), SLOWEST_TICK);
        assert!(DEFAULT_CONNECTIONS.contains(&Limits::default().connections));
    }
}
