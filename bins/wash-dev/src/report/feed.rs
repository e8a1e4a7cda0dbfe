//! Events for those who come later: the newest of each kind that tells a state, and the last of those that tell a story.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::broadcast;

use super::Event;
use super::event::{Route, milliseconds};

/// Events of one kind that are kept.
const KEPT: usize = 200;

/// Lines of one build that are kept.
const KEPT_BUILD_LINES: usize = 1000;

/// Routes that are kept: a component may have any number of paths.
const ROUTES: usize = 200;

/// Events that a slow reader may lag behind.
const BUFFERED: usize = 1024;

/// An event, written down once for all readers.
pub(crate) type FeedItem = Arc<str>;

/// An event and when it happened, in milliseconds since 1970.
#[derive(Serialize)]
struct Stamped<'a> {
    at: u64,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// The events of one program.
pub(crate) struct Feed {
    kept: Mutex<Kept>,
    sender: Mutex<Option<broadcast::Sender<FeedItem>>>,
}

#[derive(Default)]
struct Kept {
    /// What is, by kind: a build, what is served.
    states: BTreeMap<&'static str, FeedItem>,
    requests: VecDeque<FeedItem>,
    routes: BTreeMap<(String, String), Route>,
    lines: VecDeque<FeedItem>,
    build: VecDeque<FeedItem>,
}

impl Default for Feed {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(BUFFERED);
        Self { kept: Mutex::default(), sender: Mutex::new(Some(sender)) }
    }
}

impl Feed {
    /// Tells an event.
    pub(crate) fn push(&self, event: &Event<'_>) {
        // An event consists of numbers and texts, which can always be written.
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds);
        let Ok(text) = serde_json::to_string(&Stamped { at, event }) else { return };
        let item: FeedItem = text.into();
        // Both under one lock, so that whoever subscribes gets each event once.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keep(event, &item);
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody may listen.
            _ = sender.send(item);
        }
    }

    /// What has happened so far, and what will; none when the program ends.
    pub(crate) fn subscribe(&self) -> Option<(Vec<FeedItem>, broadcast::Receiver<FeedItem>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = sender.as_ref()?.subscribe();
        let routes = Event::Routes { routes: kept.routes.values().cloned().collect() };
        let routes = serde_json::to_string(&routes).ok().map(FeedItem::from);
        // A build comes before its outcome, which may be shown with what it has printed.
        let (before, after): (Vec<_>, Vec<_>) = kept.states.iter().partition(|(kind, _)| **kind < "4");
        let states =
            |states: Vec<(&&str, &FeedItem)>| states.into_iter().map(|(_, item)| Arc::clone(item)).collect::<Vec<_>>();
        let mut past = states(before);
        past.extend(kept.build.iter().cloned());
        past.extend(states(after));
        past.extend(kept.lines.iter().chain(&kept.requests).cloned().chain(routes));
        Some((past, receiver))
    }

    /// Tells all readers that nothing more will come.
    pub(crate) fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Kept {
    fn keep(&mut self, event: &Event<'_>, item: &FeedItem) {
        let item = Arc::clone(item);
        match event {
            Event::World { .. } => _ = self.states.insert("1-world", item),
            Event::Ready { .. } => {
                // The address is of use as long as the program runs, that it serves until the next build.
                self.states.insert("2-ready", Arc::clone(&item));
                self.states.insert("6-swapped", item);
            }
            Event::Building { .. } => {
                self.build.clear();
                self.states.insert("3-building", item);
                for outcome in ["4-built", "5-failed", "6-swapped"] {
                    self.states.remove(outcome);
                }
            }
            Event::Built { .. } => _ = self.states.insert("4-built", item),
            Event::BuildFailed { .. } => {
                self.states.remove("6-swapped");
                self.states.insert("5-failed", item);
            }
            Event::Swapped { .. } | Event::Unchanged => {
                self.states.remove("5-failed");
                self.states.insert("6-swapped", item);
            }
            Event::BuildOutput { .. } => push(&mut self.build, item, KEPT_BUILD_LINES),
            Event::GuestOutput { .. } => push(&mut self.lines, item, KEPT),
            Event::Request { method, path, status, elapsed_ms, .. } => {
                self.count(method, path, *status, *elapsed_ms);
                push(&mut self.requests, item, KEPT);
            }
            // Made for a reader, never told.
            Event::Routes { .. } => {}
            Event::Publishing { .. } | Event::Pulling { .. } | Event::Pulled { .. } => {}
            Event::RequestsNotTold { .. }
            | Event::ServiceRestarting { .. }
            | Event::ServiceCompleted
            | Event::ServiceFailed { .. } => push(&mut self.lines, item, KEPT),
        }
    }
}

impl Kept {
    fn count(&mut self, method: &str, path: &str, status: u16, elapsed_ms: f64) {
        let key = (path.to_owned(), method.to_owned());
        if !self.routes.contains_key(&key) && self.routes.len() >= ROUTES {
            return;
        }
        let new =
            || Route { method: method.to_owned(), path: path.to_owned(), count: 0, last_status: status, total_ms: 0.0 };
        let route = self.routes.entry(key).or_insert_with(new);
        route.count += 1;
        route.last_status = status;
        route.total_ms += elapsed_ms;
    }
}

fn push(queue: &mut VecDeque<FeedItem>, item: FeedItem, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}
