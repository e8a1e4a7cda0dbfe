//! Tells that something among the project's sources may have changed.
//!
//! Only a hint: events come late, twice or for nothing, and [`crate::snapshot`] says what really changed. Where the system
//! tells nothing, hints come at intervals.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use watchexec::error::{CriticalError, FsWatcherError, RuntimeError};
use watchexec::filter::Filterer;
use watchexec::{WatchedPath, Watchexec};
use watchexec_events::filekind::{AccessKind, AccessMode, FileEventKind};
use watchexec_events::{Event, Priority, Tag};

use crate::rules::SourceRules;

/// How long to gather events: an editor's save is several of them.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How often to look where the system tells nothing.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WatchMode {
    /// The system tells.
    Notified,
    /// By looking again and again.
    Polling,
    /// Not at all.
    Off,
}

/// A running watch on the project's sources; dropped, it ends.
pub(crate) struct Watch {
    hints: Arc<Notify>,
    /// Whether hints have to come at intervals.
    polls: Arc<AtomicBool>,
    mode: WatchMode,
    rules: Arc<Mutex<SourceRules>>,
    running: Option<Running>,
}

struct Running {
    ready: watch::Receiver<()>,
    watchexec: Arc<Watchexec>,
    places: Vec<PathBuf>,
    main: JoinHandle<Result<(), CriticalError>>,
}

impl Watch {
    /// Starts to watch. `tell` hears of every trouble that makes hints less reliable.
    pub(crate) fn start(
        rules: SourceRules,
        mode: WatchMode,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Box<CriticalError>> {
        let hints = Arc::new(Notify::new());
        let polls = Arc::new(AtomicBool::new(mode == WatchMode::Polling));
        let places = rules.places().to_vec();
        let rules = Arc::new(Mutex::new(rules));
        let mut watch = Self { hints, polls, mode, rules, running: None };
        if mode == WatchMode::Notified {
            watch.running = Some(watch.run(places, tell)?);
        }
        Ok(watch)
    }

    fn run(
        &self,
        places: Vec<PathBuf>,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Running, Box<CriticalError>> {
        let notify = Arc::clone(&self.hints);
        let watchexec = Watchexec::new(move |action| {
            if action.paths().next().is_some() {
                notify.notify_one();
            }
            action
        })?;
        let config = &watchexec.config;
        config.throttle(DEBOUNCE);
        let (polls, hints) = (Arc::clone(&self.polls), Arc::clone(&self.hints));
        config.on_error(move |hook: watchexec::ErrorHook| {
            if is_about_vanished_path(&hook.error) {
                return;
            }
            if is_lasting(&hook.error) && !polls.swap(true, Ordering::Relaxed) {
                let every = POLL_INTERVAL.as_millis();
                tell(format!("{}: looking for changes every {every} ms instead", chain(&hook.error)));
                // Whoever waits for a hint begins to wait anew, with an interval.
                hints.notify_one();
            }
        });
        config.filterer(SourceFilter { rules: Arc::clone(&self.rules) });
        let ready = config.fs_ready();
        config.pathset(watched(&places));
        let main = watchexec.main();
        Ok(Running { ready, watchexec, places, main })
    }

    /// Replaces the rules, after a build has shown where it writes or the configuration has changed.
    pub(crate) fn set_rules(&mut self, rules: SourceRules) {
        let places = rules.places().to_vec();
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
        if let Some(running) = &mut self.running {
            if running.places != places {
                running.watchexec.config.pathset(watched(&places));
                running.places = places;
            }
            running.watchexec.config.signal_change();
        }
    }

    /// Waits until the sources are being watched.
    pub(crate) async fn ready(&mut self) {
        if let Some(running) = &mut self.running {
            // An error means that the watcher has ended; the next hint will never come, and `tell` has said so.
            let _ = running.ready.changed().await;
        }
    }

    /// Waits until something may have changed since the last call.
    pub(crate) async fn hint(&self) {
        if self.mode == WatchMode::Off {
            return std::future::pending().await;
        }
        tokio::select! {
            () = self.hints.notified() => {}
            () = tokio::time::sleep(POLL_INTERVAL), if self.polls.load(Ordering::Relaxed) => {}
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.main.abort();
    }
}

/// Files, too, are watched by their folder: an editor that replaces one ends a watch on the file itself.
fn watched(places: &[PathBuf]) -> Vec<WatchedPath> {
    let mut paths = Vec::new();
    for place in places {
        match place.parent() {
            Some(folder) if !place.is_dir() => paths.push(WatchedPath::non_recursive(folder)),
            _ => paths.push(WatchedPath::recursive(place)),
        }
    }
    paths
}

/// Whether a path went away while it was being looked at: its going is an event of its own, and nothing is missed.
fn is_about_vanished_path(err: &RuntimeError) -> bool {
    match err {
        RuntimeError::FsWatcher { err, .. } => match err {
            FsWatcherError::PathAdd { path, .. } | FsWatcherError::PathScan { path, .. } => !path.exists(),
            FsWatcherError::PathRemove { .. } => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether hints will be missing from now on.
fn is_lasting(err: &RuntimeError) -> bool {
    matches!(err, RuntimeError::FsWatcher { .. })
}

/// An error with its causes, in one line.
fn chain(err: &RuntimeError) -> String {
    std::iter::successors(Some(err as &dyn Error), |err| (*err).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Keeps events of outputs and of tools' folders away, and their folders out of the operating system's watch list.
#[derive(Debug)]
struct SourceFilter {
    rules: Arc<Mutex<SourceRules>>,
}

impl SourceFilter {
    fn with_rules<T>(&self, ask: impl FnOnce(&SourceRules) -> T) -> T {
        ask(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Filterer for SourceFilter {
    fn check_dir(&self, path: &Path) -> Result<bool, RuntimeError> {
        Ok(self.with_rules(|rules| rules.is_source_folder(path)))
    }

    fn check_event(&self, event: &Event, _: Priority) -> Result<bool, RuntimeError> {
        // To look for changes is to open files: a hint because of that would never be the last.
        if event.tags.iter().any(is_mere_look) {
            return Ok(false);
        }
        let mut paths = event.paths().peekable();
        if paths.peek().is_none() {
            return Ok(true);
        }
        Ok(self.with_rules(|rules| paths.any(|(path, _)| rules.may_be_source(path))))
    }
}

/// Whether a tag says that a file was opened or read, but not written.
fn is_mere_look(tag: &Tag) -> bool {
    match tag {
        Tag::FileEventKind(FileEventKind::Access(kind)) => *kind != AccessKind::Close(AccessMode::Write),
        _ => false,
    }
}
