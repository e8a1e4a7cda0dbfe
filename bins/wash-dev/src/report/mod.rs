//! What `wash dev` tells while it runs: lines for people on stderr, an event per line of JSON on stdout, and the same
//! events for whoever else listens.

mod event;
mod feed;
mod guests;
mod requests;
mod services;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use wash_runtime::host::ServiceFate;
use wash_runtime::oci::Image;
use washlib_build::{Adapter, Built, Reporter};
use washlib_cli::{CommandError, EventQueue, Importance, StatusLine, Ui};
use washlib_registry::{Reference, Source};

use crate::served::Replaced;
use event::milliseconds;

pub(crate) use event::{ComponentWorld, Event};
pub(crate) use feed::{Feed, FeedItem};
pub(crate) use guests::guest_output;
pub(crate) use requests::{RequestLog, Staleness};
pub(crate) use services::tell_of_services;

/// How long the last events may take.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// Tells people and programs what happens.
#[derive(Clone)]
pub(crate) struct Report {
    ui: Ui,
    project_path: PathBuf,
    scheme: &'static str,
    feed: Option<Arc<Feed>>,
    /// For programs, if one reads along.
    events: Option<EventQueue>,
    /// At the bottom of the terminal, with what the keys do.
    status: Arc<(StatusLine, Mutex<&'static str>)>,
}

impl Report {
    /// For a project; `feed` and `events` get every event, too.
    pub(crate) fn new(ui: &Ui, project_path: &Path, feed: Option<Arc<Feed>>, events: Option<EventQueue>) -> Self {
        let status = Arc::new((ui.status_line(), Mutex::new("")));
        Self { ui: ui.clone(), project_path: project_path.to_path_buf(), scheme: "http", feed, events, status }
    }

    /// Says that connections are encrypted.
    pub(crate) fn with_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// Whether a person sees what is told, and can do something about it.
    pub(crate) fn is_interactive(&self) -> bool {
        self.ui.is_interactive()
    }

    /// The address as a person types it.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        // All addresses are none that a browser could go to.
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("{}://{}", self.scheme, SocketAddr::new(ip, address.port()))
    }

    /// Says what keys do, from now on.
    pub(crate) fn explain_keys(&self, help: &'static str) {
        *self.status.1.lock().unwrap_or_else(PoisonError::into_inner) = help;
    }

    fn still(&self, color: AnsiColor, state: &str, more: &str) {
        let style = color.on_default().bold();
        let keys = *self.status.1.lock().unwrap_or_else(PoisonError::into_inner);
        let dim = Style::new().dimmed();
        let separator = if keys.is_empty() { "" } else { "  " };
        self.status.0.still(&format!("{style}{state}{style:#} {more}{separator}{dim}{keys}{dim:#}"));
    }

    /// The listener is open, though no component answers yet.
    pub(crate) fn listening(&self, address: SocketAddr) {
        self.ui.status("Listening", &format!("on {}://{address}", self.scheme));
    }

    /// A port leads to the service.
    pub(crate) fn publishing(&self, name: &str, address: SocketAddr) {
        self.ui.status("Publishing", &format!("{name} on {address}"));
        self.event(&Event::Publishing { name, address });
    }

    /// There is a page to look at.
    pub(crate) fn watching_page(&self, url: &str) {
        self.ui.detail(&format!("what happens is shown at {url}"));
    }

    /// Nothing more will happen that the page tells.
    pub(crate) fn close(&self) {
        if let Some(feed) = &self.feed {
            feed.close();
        }
    }

    /// Waits until programs have been told everything, unless nobody reads.
    pub(crate) fn finish(&self) -> Result<(), CommandError> {
        self.events.as_ref().map_or(Ok(()), |events| events.finish(LAST_EVENTS))
    }

    pub(crate) fn building(&self, changed: &[PathBuf]) {
        match changed {
            [] => self.ui.status("Building", &self.project_path.display().to_string()),
            [first, rest @ ..] => {
                let first = self.relative(first).display();
                let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                self.ui.status("Rebuilding", &format!("because {first}{more} changed"));
            }
        }
        self.status.0.busy("building");
        self.event(&Event::Building { project_path: &self.project_path, changed });
    }

    /// Something else has to end first.
    pub(crate) fn waiting(&self, what: &str) {
        self.ui.status("Waiting", what);
    }

    /// A WIT package was fetched, or is needed no more.
    pub(crate) fn fetched(&self, what: &str, package: &str) {
        self.ui.status(what, package);
    }

    /// WIT packages did not come; the build has to do without.
    pub(crate) fn not_fetched(&self, err: &CommandError) {
        let causes: Vec<_> = std::iter::once(err.to_string()).chain(err.causes()).collect();
        self.ui.warn(&format!("building with what is in the WIT folder: {}", causes.join(": ")));
    }

    pub(crate) fn pulling(&self, reference: &Reference) {
        let reference = reference.to_string();
        self.ui.status("Pulling", &reference);
        self.status.0.busy("pulling");
        self.event(&Event::Pulling { reference: &reference });
    }

    pub(crate) fn pulled(&self, pulled: &Image) {
        let (reference, digest) = (pulled.reference.to_string(), pulled.digest.to_string());
        let from = match pulled.source {
            Source::Cache => "cache",
            Source::Registry => "registry",
        };
        self.ui.detail(&format!("{reference} is {digest}, from the {from}"));
        self.status.0.busy("building");
        self.event(&Event::Pulled { reference: &reference, digest: &digest, size: pulled.bytes.len() as u64, from });
    }

    pub(crate) fn built(&self, built: &Built) {
        let (path, seconds) = (built.component_path.display(), built.elapsed.as_secs_f64());
        self.ui.status("Built", &format!("{path} ({} kB) in {seconds:.1}s", built.size.div_ceil(1000)));
        self.event(&Event::Built {
            component_path: &built.component_path,
            size: built.size,
            elapsed_ms: milliseconds(built.elapsed),
        });
    }

    /// A build or a start that failed, while something may still be served.
    pub(crate) fn failed(&self, err: &CommandError, still_serving: bool) {
        if !self.ui.is_json() {
            self.ui.error(err);
            let then = if still_serving { "the last good version keeps answering" } else { "nothing is served yet" };
            self.ui.status("Waiting", &format!("for a change; {then}"));
            self.still(AnsiColor::Red, "failed", then);
        }
        let (message, causes) = (err.to_string(), err.causes());
        self.event(&Event::BuildFailed { message, causes, hints: err.hints(), serving: still_serving });
    }

    pub(crate) fn ready(&self, address: SocketAddr, elapsed: Duration) {
        let url = self.url(address);
        self.ui.status("Serving", &format!("{url} (started in {} ms)", milliseconds(elapsed)));
        self.still(AnsiColor::Green, "serving", &url);
        self.event(&Event::Ready { address, url: &url, elapsed_ms: milliseconds(elapsed) });
    }

    /// A new version answers; `since` is how long ago its component was written.
    pub(crate) fn swapped(&self, url: &str, replaced: &Replaced, since: Duration) {
        self.still(AnsiColor::Green, "serving", url);
        let service = match replaced.service {
            ServiceFate::Started => Some("restarted"),
            ServiceFate::Kept => Some("kept"),
            _ => None,
        };
        let mut what = replaced.components.clone();
        if service == Some("restarted") {
            what.push("the service".to_owned());
        }
        let what = match what.as_slice() {
            [] => String::new(),
            [one] if one == "wash-dev-component" => String::new(),
            several => format!("{} ", several.join(", ")),
        };
        self.ui.status("Swapped", &format!("{what}in {} ms", milliseconds(replaced.elapsed)));
        self.event(&Event::Swapped {
            elapsed_ms: milliseconds(replaced.elapsed),
            since_written_ms: milliseconds(since),
            components: &replaced.components,
            service,
        });
    }

    pub(crate) fn unchanged(&self, url: &str) {
        self.still(AnsiColor::Green, "serving", url);
        self.ui.status("Unchanged", "the build gave the component that is served already");
        self.event(&Event::Unchanged);
    }

    /// What the components import and export.
    pub(crate) fn world(&self, components: Vec<ComponentWorld>) {
        self.feed(&Event::World { components });
    }

    pub(crate) fn stopping(&self) {
        self.ui.status("Stopping", "after the requests in flight");
        self.status.0.busy("finishing the requests in flight");
    }

    pub(crate) fn warn(&self, text: &str) {
        self.ui.warn(text);
    }

    /// A file's path as a person knows it.
    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.project_path).unwrap_or(path)
    }

    fn event(&self, event: &Event<'_>) {
        self.feed(event);
        if let Some(events) = &self.events {
            // Without room, nobody has read for thousands of events.
            _ = events.push(event, Importance::Needed);
        }
    }

    fn feed(&self, event: &Event<'_>) {
        if let Some(feed) = &self.feed {
            feed.push(event);
        }
    }
}

impl Reporter for Report {
    fn takes_output(&self) -> bool {
        true
    }

    fn output(&self, line: &str) {
        self.ui.line(line);
        self.feed(&Event::BuildOutput { line });
    }

    fn running(&self, command_line: &str) {
        self.ui.status("Running", &format!("`{command_line}`"));
    }

    fn wrapped(&self, adapter: Adapter) {
        self.ui.status("Wrapped", &format!("the core module in a component (WASI preview-1 adapter: {adapter})"));
    }
}
