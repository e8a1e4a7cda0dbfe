//! A line at the bottom of the terminal that says what goes on, below all that is printed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// The bottom of one terminal, which is shared by everything that prints to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bottom(Arc<Mutex<Option<ProgressBar>>>);

impl Bottom {
    /// Prints above the line, if there is one.
    pub(crate) fn print(&self, print: impl FnOnce()) {
        match &*self.lock() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        // Whoever panicked had not changed anything.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line. It disappears when this is dropped; without a terminal to draw on it was never there.
#[derive(Debug)]
pub struct StatusLine {
    bottom: Bottom,
    visible: bool,
}

impl StatusLine {
    pub(crate) fn new(bottom: Bottom, visible: bool) -> Self {
        Self { bottom, visible }
    }

    /// Shows that something is being done, and for how long already.
    pub fn busy(&self, message: &str) {
        let bar = self.exchange("{spinner:.cyan} {wide_msg} {elapsed:.dim}", message);
        if let Some(bar) = bar {
            bar.enable_steady_tick(TURN);
        }
    }

    /// Shows a state that lasts.
    pub fn still(&self, message: &str) {
        if let Some(bar) = self.exchange("{wide_msg}", message) {
            bar.tick();
        }
    }

    /// Draws the line anew, after something else has written to the terminal.
    pub fn redraw(&self) {
        if let Some(bar) = &*self.bottom.lock() {
            bar.tick();
        }
    }

    fn exchange(&self, template: &str, message: &str) -> Option<ProgressBar> {
        if !self.visible {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The templates are ours and constant: an error would be a typing mistake, and a plain line still helps.
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(message.to_owned());
        if let Some(old) = self.bottom.lock().replace(bar.clone()) {
            old.finish_and_clear();
        }
        Some(bar)
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if let Some(bar) = self.bottom.lock().take() {
            bar.finish_and_clear();
        }
    }
}
