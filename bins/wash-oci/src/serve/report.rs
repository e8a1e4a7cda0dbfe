//! What `wash oci serve` tells: people, on stderr; programs, an event per line on stdout.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use washlib_cli::{CommandError, EventQueue, Importance, Ui};
use washlib_registry_server::{Observer, RequestRecord};

use super::requests::Requests;

/// An event of the JSON stream. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Event<'a> {
    /// The registry listens.
    Ready { address: SocketAddr, url: &'a str, directory: &'a Path, authentication: bool, elapsed_ms: u64 },
    /// Something has no effect, or not the one that was asked for.
    Warning { message: &'a str },
    /// The registry lets nobody in any more and finishes the requests in flight.
    Stopping,
    /// The registry has ended.
    Stopped { elapsed_ms: u64 },
}

/// How long the last events may take.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// What there is to know once the registry listens.
pub(super) struct Ready<'a> {
    pub(super) address: SocketAddr,
    pub(super) scheme: &'a str,
    pub(super) directory: &'a Path,
    pub(super) has_users: bool,
    pub(super) elapsed: Duration,
}

/// Tells a person or a program what happens.
#[derive(Clone, Debug)]
pub(super) struct Report {
    ui: Ui,
    /// For programs, if one reads along.
    events: Option<(EventQueue, Requests)>,
}

impl Report {
    /// Tells programs too, if the result is wanted as JSON.
    pub(super) fn new(ui: &Ui) -> Result<Self, CommandError> {
        let events = if ui.is_json() {
            // A registry is of use to others than whoever reads about it.
            let queue = ui.event_queue(|| {})?;
            Some((queue.clone(), Requests::new(queue)))
        } else {
            None
        };
        Ok(Self { ui: ui.clone(), events })
    }

    pub(super) fn warn(&self, text: &str) {
        self.ui.warn(text);
        self.event(&Event::Warning { message: text });
    }

    pub(super) fn ready(&self, ready: &Ready<'_>) {
        let url = format!("{}://{}", ready.scheme, ready.address);
        let for_users = if ready.has_users { ", for users with a password" } else { "" };
        self.ui.status("Serving", &format!("{url} from {}{for_users}", ready.directory.display()));
        self.event(&Event::Ready {
            address: ready.address,
            url: &url,
            directory: ready.directory,
            authentication: ready.has_users,
            elapsed_ms: milliseconds(ready.elapsed),
        });
    }

    pub(super) fn stopping(&self) {
        self.ui.status("Stopping", "after the requests in flight");
        self.event(&Event::Stopping);
    }

    pub(super) fn stopped(&self, elapsed: Duration) {
        self.event(&Event::Stopped { elapsed_ms: milliseconds(elapsed) });
    }

    /// Waits until programs have been told everything, unless nobody reads.
    pub(super) fn finish(&self) -> Result<(), CommandError> {
        self.events.as_ref().map_or(Ok(()), |(queue, _)| queue.finish(LAST_EVENTS))
    }

    fn event(&self, event: &Event<'_>) {
        if let Some((queue, _)) = &self.events {
            // Without room, nobody has read for thousands of events.
            _ = queue.push(event, Importance::Needed);
        }
    }

    /// The requests that a person cares about: what was pushed, pulled and deleted.
    fn tell(&self, record: &RequestRecord<'_>) {
        let verb = match (record.method, record.status) {
            ("PUT", 201) => Some("Pushed"),
            ("GET", 200) => Some("Pulled"),
            ("DELETE", 202) => Some("Deleted"),
            _ => None,
        };
        if let (Some(verb), Some(artifact)) = (verb, artifact(record.path)) {
            self.ui.status(verb, &artifact);
        }
        if let Some(failure) = record.failure.filter(|_| record.status >= 500) {
            self.ui.warn(&format!("{} {}: {failure}", record.method, record.path));
        }
        let broken = if record.is_complete { "" } else { ", broken off" };
        self.ui.detail(&format!(
            "{} {} {} ({} bytes{broken}, {} ms, {})",
            record.method,
            record.path,
            record.status,
            record.sent,
            milliseconds(record.elapsed),
            record.client
        ));
    }
}

/// The name of what a manifest's path is about, as in a reference: `hello:1.0.0` or `hello@sha256:…`.
fn artifact(path: &str) -> Option<String> {
    let path = path.split('?').next()?.strip_prefix("/v2/")?;
    let (name, reference) = path.rsplit_once("/manifests/")?;
    let separator = if reference.contains(':') { '@' } else { ':' };
    Some(format!("{name}{separator}{reference}"))
}

impl Observer for Report {
    fn request(&self, record: &RequestRecord<'_>) {
        self.tell(record);
        if let Some((_, requests)) = &self.events {
            requests.tell(record);
        }
    }

    fn trouble(&self, message: &str) {
        self.warn(message);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts() {
        assert_eq!(artifact("/v2/a/b/manifests/1.0?x"), Some("a/b:1.0".to_owned()));
        assert_eq!(artifact("/v2/a/manifests/sha256:ab"), Some("a@sha256:ab".to_owned()));
        assert_eq!(artifact("/v2/a/blobs/sha256:ab"), None);
    }
}
