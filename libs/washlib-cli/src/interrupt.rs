//! SIGINT, SIGTERM and SIGHUP as one event that a synchronous tool can react to, or that ends a question.
//!
//! The tool cleans up and returns [`crate::CommandError::interrupted`]; only one that does not hear is ended here.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Who asks so many times is not being heard: perhaps the tool hangs in a read that cannot be interrupted.
const HEARD_AT_MOST: usize = 2;

/// How long a signal that was raised may take to be heard.
const STRAGGLER: Duration = Duration::from_millis(250);

/// Who hears signals. They belong to the process, and so does this.
static HEARERS: Mutex<Hearers> = Mutex::new(Hearers { question: None, tool: false, watched: false });

struct Hearers {
    /// Ends the question that is open.
    question: Option<Box<dyn Fn() + Send>>,
    /// Whether the tool reacts by itself.
    tool: bool,
    /// Whether signals are watched for questions.
    watched: bool,
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupt,
    /// A supervisor's polite request.
    Terminate,
    /// The terminal has gone.
    Hangup,
}

/// Calls `react` on a thread of its own for the first interrupt from now on, and for the second. The third one ends the
/// process as if there were no handler.
///
/// # Errors
///
/// When the operating system refuses to install the handlers.
pub fn on_interrupt(mut react: impl FnMut(Interrupt) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("interrupts".into()).spawn(move || {
        for (earlier, signal) in signals.forever().enumerate() {
            if earlier >= HEARD_AT_MOST {
                // It fails only for signals that cannot be handled at all, and then there is no handler either.
                let _ = emulate_default_handler(signal);
            }
            react(match signal {
                SIGINT => Interrupt::Interrupt,
                SIGHUP => Interrupt::Hangup,
                _ => Interrupt::Terminate,
            });
        }
    })?;
    hearers().tool = true;
    Ok(())
}

/// A question that is open until this is dropped, and that an interrupt ends.
pub(crate) struct Question<T> {
    sender: Sender<io::Result<T>>,
    receiver: Receiver<io::Result<T>>,
}

impl<T: Send + 'static> Question<T> {
    /// Interrupts are heard from now on.
    pub(crate) fn begin() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let interrupted = sender.clone();
        let mut hearers = hearers();
        if !hearers.watched {
            watch()?;
            hearers.watched = true;
        }
        hearers.question = Some(Box::new(move || {
            // Nobody waits any more, and will not.
            let _ = interrupted.send(Err(io::ErrorKind::Interrupted.into()));
        }));
        Ok(Self { sender, receiver })
    }

    /// What `answer` gives, or `Interrupted`. It runs on a thread of its own, which an interrupt leaves behind: a read
    /// from a terminal has no other end.
    pub(crate) fn wait(&self, answer: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let sender = self.sender.clone();
        thread::Builder::new().name("question".into()).spawn(move || {
            // Who waits must hear of a panic too.
            let answer = catch_unwind(AssertUnwindSafe(answer));
            let _ = sender.send(answer.unwrap_or_else(|_| Err(io::Error::other("the question came to no end"))));
        })?;
        self.receiver.recv().map_err(io::Error::other)?
    }

    /// Ends the question. An interrupt that comes after the answer counts too.
    pub(crate) fn close(self, answer: io::Result<T>) -> io::Result<T> {
        if answer.as_ref().is_err_and(|err| err.kind() == io::ErrorKind::Interrupted) {
            // A dialog says so itself and raises the signal too, which must find the question open.
            let _ = self.receiver.recv_timeout(STRAGGLER);
            return answer;
        }
        hearers().question = None;
        match self.receiver.try_recv() {
            Ok(Err(err)) if err.kind() == io::ErrorKind::Interrupted => Err(err),
            _ => answer,
        }
    }
}

impl<T> Drop for Question<T> {
    fn drop(&mut self) {
        hearers().question = None;
    }
}

/// Signals end the open question from now on. When there is none they do what they would without this: it outlasts the
/// questions, because a handler that was taken away would leave signals without any effect.
fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    thread::Builder::new().name("questions".into()).spawn(move || {
        for signal in signals.forever() {
            if !is_heard(signal) {
                let _ = emulate_default_handler(signal);
            }
        }
    })?;
    Ok(())
}

/// Tells the open question, and returns whether anybody reacts to the signal.
fn is_heard(signal: i32) -> bool {
    let hearers = hearers();
    if let Some(end) = &hearers.question {
        end();
        return true;
    }
    hearers.tool && signal != SIGQUIT
}

fn hearers() -> MutexGuard<'static, Hearers> {
    // Whoever panicked had not changed anything.
    HEARERS.lock().unwrap_or_else(PoisonError::into_inner)
}
