//! Shows on a terminal what is being fetched. Nothing is drawn before something is.

use std::sync::Mutex;

use washlib_cli::{Progress, Ui};
use washlib_registry::wit::Watcher;

/// A bar that appears with the first thing that comes.
pub(crate) struct UiWatcher {
    ui: Ui,
    bar: Mutex<Option<Progress>>,
}

impl UiWatcher {
    pub(crate) fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), bar: Mutex::new(None) }
    }
}

impl Watcher for UiWatcher {
    fn fetched(&self, done: usize, total: usize, what: &str) {
        let mut bar = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let progress = bar.get_or_insert_with(|| self.ui.progress("Fetching"));
        progress.set_message(what);
        if total > 0 {
            progress.set_position(done as u64, Some(total as u64));
        }
        if done == total && total > 0 {
            *bar = None;
        }
    }
}
