//! Progress of long work, drawn on stderr when a person is watching.
//!
//! Libraries report through traits of their own; a binary forwards them to this.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One bar or spinner; it disappears when dropped.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(message: &str, visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        // First, or a bar in another style would be drawn.
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message(message.to_owned());
        if visible {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar }
    }

    /// Says what is being done now.
    pub fn set_message(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Shows how far the work is; with a total, as a bar.
    pub fn set_position(&self, position: u64, total: Option<u64>) {
        self.set(position, total, "{spinner} {msg} [{bar:30}] {human_pos}/{human_len}");
    }

    /// Shows how many bytes have been transferred, and how fast; with a total, as a bar.
    pub fn set_bytes(&self, position: u64, total: Option<u64>) {
        self.set(position, total, "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}");
    }

    fn set(&self, position: u64, total: Option<u64>, template: &str) {
        if self.bar.length() != total {
            if let Some(total) = total {
                self.bar.set_style(style(template));
                self.bar.set_length(total);
            } else {
                self.bar.set_style(style("{spinner} {msg}"));
                self.bar.unset_length();
            }
        }
        self.bar.set_position(position);
    }
}

/// The templates are ours and constant: an error would be a typing mistake, and a plain bar still helps.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
