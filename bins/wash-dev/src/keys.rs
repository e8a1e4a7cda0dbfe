//! Single keys that a person at the terminal presses.
//!
//! Only in the foreground: a program in the background that changes the terminal would be stopped. The terminal is given
//! back as it was.

use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use washlib_cli::Ui;

use crate::interrupts::Interrupts;

/// What the keys do, for a line at the bottom.
pub(crate) const HELP: &str = "r rebuild · o open · c clear · q quit";

/// Keys that are being listened to. Dropped, the terminal is as it was.
pub(crate) struct Keys {
    ui: Ui,
    url: String,
    rebuild: Arc<Notify>,
    terminal: Option<Terminal>,
}

/// A terminal that hands on each key at once, and does not show it.
struct Terminal {
    before: Termios,
    now: Termios,
}

impl Keys {
    /// Listens to the keys, if a person is there to press them. `url` is what is opened.
    pub(crate) fn listen(ui: &Ui, interrupts: &Interrupts, url: String) -> Self {
        let rebuild = Arc::<Notify>::default();
        let terminal = if ui.is_interactive() { Terminal::take() } else { None };
        if let Some(terminal) = &terminal {
            terminal.take_again_when_continued();
            let listener = Listener {
                ui: ui.clone(),
                interrupts: interrupts.clone(),
                rebuild: Arc::clone(&rebuild),
                url: url.clone(),
            };
            // It waits for a key until the program ends.
            thread::spawn(move || listener.listen());
        }
        Self { ui: ui.clone(), url, rebuild, terminal }
    }

    /// Whether somebody can press a key.
    pub(crate) fn are_heard(&self) -> bool {
        self.terminal.is_some()
    }

    /// Does what the key for it does.
    pub(crate) fn open(&self) {
        open_in_browser(&self.url, &self.ui);
    }

    /// Resolves when somebody wants a build.
    pub(crate) async fn rebuild(&self) {
        self.rebuild.notified().await;
    }
}

struct Listener {
    ui: Ui,
    interrupts: Interrupts,
    rebuild: Arc<Notify>,
    url: String,
}

impl Listener {
    fn listen(&self) {
        for key in io::stdin().lock().bytes() {
            match key {
                Ok(b'r' | b'R') => self.rebuild.notify_one(),
                Ok(b'o' | b'O') => open_in_browser(&self.url, &self.ui),
                Ok(b'c' | b'C') => self.ui.clear_screen(),
                Ok(b'q' | b'Q') => self.interrupts.interrupt(),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

impl Terminal {
    fn take() -> Option<Self> {
        let stdin = io::stdin();
        if !is_in_foreground() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut now = before.clone();
        // Ctrl-C and Ctrl-Z stay what they are.
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&stdin, OptionalActions::Now, &now).ok()?;
        Some(Self { before, now })
    }

    /// A shell has given the terminal to others since the program was stopped.
    fn take_again_when_continued(&self) {
        let Ok(mut continued) = signal(SignalKind::from_raw(Signal::CONT.as_raw())) else { return };
        let now = self.now.clone();
        tokio::spawn(async move {
            while continued.recv().await.is_some() {
                if is_in_foreground() {
                    // A terminal that has gone hands on no keys.
                    _ = tcsetattr(io::stdin(), OptionalActions::Now, &now);
                }
            }
        });
    }
}

fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Opens an address in the browser of whoever sits there.
fn open_in_browser(url: &str, ui: &Ui) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    // The address of our own listener: nothing in it comes from elsewhere.
    let mut command = Command::new(opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            // Somebody has to take note of its end.
            thread::spawn(move || child.wait());
        }
        Err(err) => ui.warn(&format!("cannot open {url} with `{opener}`: {err}")),
    }
}
