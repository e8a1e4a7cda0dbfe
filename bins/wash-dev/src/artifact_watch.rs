//! Tells at once that one of a few files may have changed, wherever they are.
//!
//! Only a hint, like [`crate::watch`], which waits for bursts to end and knows folders with all that is in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::watch::{POLL_INTERVAL, WatchMode};

/// A running watch on files.
pub(crate) struct ArtifactWatch {
    mode: WatchMode,
    hints: Arc<Notify>,
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl ArtifactWatch {
    /// A watch on nothing.
    pub(crate) fn start(mode: WatchMode) -> Self {
        let hints = Arc::new(Notify::new());
        let files = Arc::<Mutex<BTreeSet<PathBuf>>>::default();
        let mut watch = Self { mode, hints, files, watcher: None, folders: BTreeSet::new() };
        if mode == WatchMode::Notified {
            match watch.watcher() {
                Ok(watcher) => watch.watcher = Some(watcher),
                Err(_) => watch.mode = WatchMode::Polling,
            }
        }
        watch
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (hints, files) = (Arc::clone(&self.hints), Arc::clone(&self.files));
        notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let concerns = |path: &PathBuf| files.iter().any(|file| file.starts_with(path));
            match event {
                Ok(event) if is_mere_look(event.kind) => {}
                Ok(event) if !event.need_rescan() && !event.paths.iter().any(concerns) => {}
                Ok(_) | Err(_) => hints.notify_one(),
            }
        })
    }

    /// Watches these files from now on. Those that do not exist yet are noticed when they appear.
    pub(crate) fn set<'p>(&mut self, files: impl Iterator<Item = &'p Path>) {
        let files: BTreeSet<PathBuf> = files.map(Path::to_path_buf).collect();
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| existing_folder(file)).collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        let Some(watcher) = &mut self.watcher else { return };
        for folder in self.folders.difference(&folders) {
            // One that is gone is watched no more anyway.
            _ = watcher.unwatch(folder);
        }
        for folder in &folders {
            // Again, even if it is known: a folder that was made anew under the same name is another one.
            if watcher.watch(folder, RecursiveMode::NonRecursive).is_err() {
                self.mode = WatchMode::Polling;
            }
        }
        self.folders = folders;
    }

    /// Waits until one of the files may have changed since the last call.
    pub(crate) async fn hint(&self) {
        match self.mode {
            WatchMode::Off => std::future::pending().await,
            WatchMode::Notified => self.hints.notified().await,
            WatchMode::Polling => tokio::select! {
                () = self.hints.notified() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            },
        }
    }
}

/// The folder that a file is in, or the nearest one above that exists.
fn existing_folder(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_path_buf)
}

fn is_mere_look(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
}
