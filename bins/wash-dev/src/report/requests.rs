//! The log of requests: who asked for what, and how it was answered.
//!
//! Requests are told by a task of its own, so that they are never slower because somebody reads about them. What comes
//! faster than it can be told is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;
use wash_runtime::engine::workload::ResolvedWorkload;
use wash_runtime::host::http::{ObservedRequest, RequestObserver};
use wash_runtime::host::metrics::RequestOutcome;

use washlib_cli::Importance;

use super::{Event, Report};

/// Requests that may wait to be told.
const QUEUE: usize = 256;

/// Requests that are told in a second: more than anybody reads, and few enough to cost nothing.
const PER_SECOND: u64 = 500;

/// How long counted requests wait to be told, at least.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The header that marks responses of the last good version while the newest is bad.
const STALE_HEADER: &str = "x-wash-dev-stale";

/// What is told of a request whose client has left before there was an answer. The number is nginx's; no standard has one.
const CLIENT_GONE: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::REQUEST_TIMEOUT,
};

/// Characters of a path that are told.
const LONGEST_PATH: usize = 256;

/// Which version, if any, is not the newest although it answers, because the newest is bad.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staleness(Arc<Mutex<Option<String>>>);

impl Staleness {
    /// Marks a version by its workload's id; `None` is no version.
    pub(crate) fn set(&self, version: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = version.map(str::to_owned);
    }

    /// What answers is the newest.
    pub(crate) fn clear(&self) {
        self.set(None);
    }

    fn concerns(&self, version: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(version)
    }
}

/// Watches the requests of a host.
pub(crate) struct RequestLog {
    staleness: Staleness,
    sender: mpsc::Sender<Told>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    /// How many may be told in this second.
    left: AtomicU64,
    not_told: AtomicU64,
}

/// A request that has been answered.
struct Told {
    method: Method,
    path: String,
    status: StatusCode,
    elapsed: Duration,
    stale: bool,
}

struct Observed {
    sender: mpsc::Sender<Told>,
    counts: Arc<Counts>,
    method: Method,
    path: String,
    begun: Instant,
    stale: bool,
    ended: bool,
}

impl Observed {
    fn tell(&mut self, status: StatusCode) {
        let Self { sender, counts, method, path, begun, stale, ended } = self;
        if std::mem::replace(ended, true) {
            return;
        }
        let may_tell = counts.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let (method, path) = (std::mem::take(method), std::mem::take(path));
        let told = Told { method, path, status, elapsed: begun.elapsed(), stale: *stale };
        if may_tell.is_err() || sender.try_send(told).is_err() {
            counts.not_told.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        // Nobody has waited for the answer.
        self.tell(CLIENT_GONE);
    }
}

impl RequestLog {
    /// Starts the task that tells.
    pub(crate) fn start(report: &Report, staleness: Staleness) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts { left: AtomicU64::new(PER_SECOND), not_told: AtomicU64::new(0) });
        tokio::spawn(tell(receiver, Arc::clone(&counts), report.clone()));
        Arc::new(Self { staleness, sender, counts })
    }
}

impl RequestObserver for RequestLog {
    fn begin(&self, workload: &ResolvedWorkload, request: &Parts) -> Box<dyn ObservedRequest> {
        let path = request.uri.path();
        let end = path.char_indices().nth(LONGEST_PATH).map_or(path.len(), |(end, _)| end);
        Box::new(Observed {
            sender: self.sender.clone(),
            counts: Arc::clone(&self.counts),
            method: request.method.clone(),
            path: path[..end].to_owned(),
            begun: Instant::now(),
            stale: self.staleness.concerns(workload.id()),
            ended: false,
        })
    }
}

impl ObservedRequest for Observed {
    fn respond(&mut self, headers: &mut HeaderMap) {
        if self.stale {
            headers.insert(STALE_HEADER, HeaderValue::from_static("1"));
        }
    }

    fn end(mut self: Box<Self>, _: RequestOutcome, status: StatusCode) {
        self.tell(status);
    }
}

async fn tell(mut requests: mpsc::Receiver<Told>, counts: Arc<Counts>, report: Report) {
    let mut interval = tokio::time::interval(COUNT_INTERVAL);
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => if !report.request(&request) {
                    counts.not_told.fetch_add(1, Ordering::Relaxed);
                },
                None => return,
            },
            _ = interval.tick() => {
                counts.left.store(PER_SECOND, Ordering::Relaxed);
                let count = counts.not_told.swap(0, Ordering::Relaxed);
                if count > 0 && !report.requests_not_told(count) {
                    counts.not_told.fetch_add(count, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Report {
    /// Tells of a request; not if programs fall behind.
    fn request(&self, told: &Told) -> bool {
        let elapsed_ms = (told.elapsed.as_secs_f64() * 100_000.0).round() / 100.0;
        if !self.ui.is_json() {
            let style = style(told.status);
            let (method, path, status) = (told.method.as_str(), told.path.escape_debug(), told.status.as_u16());
            let stale = if told.stale { " (stale)" } else { "" };
            self.ui.line(&format!("{method:>12} {path} {style}{status}{style:#} {elapsed_ms:.1} ms{stale}"));
        }
        self.dispensable_event(&Event::Request {
            method: told.method.as_str(),
            path: &told.path,
            status: told.status.as_u16(),
            elapsed_ms,
            stale: told.stale,
        })
    }

    fn requests_not_told(&self, count: u64) -> bool {
        if !self.ui.is_json() {
            self.ui.line(&format!("{:>12} and {count} more requests", "…"));
        }
        self.dispensable_event(&Event::RequestsNotTold { count })
    }

    /// Whether it was told, if programs read along.
    fn dispensable_event(&self, event: &Event<'_>) -> bool {
        self.feed(event);
        self.events.as_ref().is_none_or(|events| events.push(event, Importance::Dispensable))
    }
}

fn style(status: StatusCode) -> Style {
    let color = match status.as_u16() {
        ..400 => AnsiColor::Green,
        400..500 => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    color.on_default()
}
