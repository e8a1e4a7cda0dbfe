//! Events of a program that keeps running, on their way to stdout.
//!
//! Whoever reads them may be slow, or have stopped. The program does not wait for that: a thread of its own writes, and
//! what waits for it is bounded.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::{CommandError, Ui};

/// How many events may wait: about a megabyte.
const WAITING: usize = 4096;

/// How many may wait before those that can be missed are.
const WAITING_BEFORE_DISPENSABLE: usize = 1024;

/// What becomes of an event that nobody has taken for long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Importance {
    /// It waits as long as there is any room.
    Needed,
    /// It gives way, so that room is left for those that are needed: one of many of its kind.
    Dispensable,
}

/// Where events wait to be written, each as a line of JSON. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct EventQueue {
    ui: Ui,
    messages: Sender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// All before it is written.
    End(SyncSender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    failure: Mutex<Option<io::Error>>,
}

impl EventQueue {
    /// Begins to write; `on_closed` is called when stdout takes no more, such as when its reader has gone.
    pub(crate) fn start(ui: &Ui, on_closed: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (messages, receiver) = channel();
        let queue = Self { ui: ui.clone(), messages, shared: Arc::default() };
        let (ui, shared) = (ui.clone(), Arc::clone(&queue.shared));
        thread::Builder::new().name("events".to_owned()).spawn(move || {
            if let Err(err) = write(&ui, &receiver, &shared) {
                *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(err);
                on_closed();
            }
        })?;
        Ok(queue)
    }

    /// Adds an event. Whether there was room; none is when nobody reads.
    pub fn push<T: Serialize>(&self, event: &T, importance: Importance) -> bool {
        let room = match importance {
            Importance::Needed => WAITING,
            Importance::Dispensable => WAITING_BEFORE_DISPENSABLE,
        };
        if self.shared.waiting.load(Ordering::Relaxed) >= room {
            return false;
        }
        let Ok(line) = serde_json::to_string(event) else { return false };
        self.ui.begin_stream();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.messages.send(Message::Line(line)).is_ok()
    }

    /// Waits until everything is written, but not for a reader that has stopped.
    ///
    /// # Errors
    ///
    /// When stdout could not be written to.
    pub fn finish(&self, patience: Duration) -> Result<(), CommandError> {
        let (done, written) = sync_channel(1);
        if self.messages.send(Message::End(done)).is_ok() {
            // Nobody reads, or the thread has ended for a reason that is told below.
            _ = written.recv_timeout(patience);
        }
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |err| Err(CommandError::stdout(err)))
    }
}

fn write(ui: &Ui, messages: &Receiver<Message>, shared: &Shared) -> io::Result<()> {
    for message in messages {
        match message {
            Message::Line(line) => {
                ui.line_of_stream(&line)?;
                shared.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            Message::End(done) => {
                // Whoever has asked may have lost patience.
                _ = done.send(());
            }
        }
    }
    Ok(())
}
