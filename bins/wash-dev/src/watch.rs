//! Tells that something in the project's folder may have changed.
//!
//! Only a hint: events come late, twice or for nothing, and [`crate::snapshot`] says what really changed.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use watchexec::Watchexec;
use watchexec::error::{CriticalError, FsWatcherError, RuntimeError};
use watchexec::filter::Filterer;
use watchexec_events::filekind::{AccessKind, AccessMode, FileEventKind};
use watchexec_events::{Event, Priority, Tag};

use crate::snapshot::SourceRules;

/// How long to gather events: an editor's save is several of them.
const DEBOUNCE: Duration = Duration::from_millis(30);

/// A running watch on the project's folder; dropped, it ends.
pub(crate) struct Watch {
    hints: Arc<Notify>,
    rules: Arc<Mutex<SourceRules>>,
    ready: watch::Receiver<()>,
    watchexec: Arc<Watchexec>,
    main: JoinHandle<Result<(), CriticalError>>,
}

impl Watch {
    /// Starts to watch. `on_error` hears of every trouble that makes hints less reliable.
    pub(crate) fn start(
        rules: SourceRules,
        on_error: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Box<CriticalError>> {
        let hints = Arc::new(Notify::new());
        let notify = Arc::clone(&hints);
        let watchexec = Watchexec::new(move |action| {
            if action.paths().next().is_some() {
                notify.notify_one();
            }
            action
        })?;
        let root = rules.root().to_path_buf();
        let rules = Arc::new(Mutex::new(rules));
        let config = &watchexec.config;
        config.throttle(DEBOUNCE);
        config.on_error(move |hook: watchexec::ErrorHook| {
            if !is_about_vanished_path(&hook.error) {
                on_error(chain(&hook.error));
            }
        });
        config.filterer(SourceFilter { rules: Arc::clone(&rules) });
        let ready = config.fs_ready();
        config.pathset([root]);
        let main = watchexec.main();
        Ok(Self { hints, rules, ready, watchexec, main })
    }

    /// Replaces the rules, after a build has shown where it writes.
    pub(crate) fn set_rules(&self, rules: SourceRules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
        self.watchexec.config.signal_change();
    }

    /// Waits until the folder is being watched.
    pub(crate) async fn ready(&mut self) {
        // An error means that the watcher has ended; the next hint will never come, and `on_error` has said so.
        let _ = self.ready.changed().await;
    }

    /// Waits until something may have changed since the last call.
    pub(crate) async fn hint(&self) {
        self.hints.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.main.abort();
    }
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
