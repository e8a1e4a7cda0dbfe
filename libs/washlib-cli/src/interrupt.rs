//! SIGINT, SIGTERM and SIGHUP as one event that a synchronous tool can react to.
//!
//! Nothing ends the process here: the tool cleans up and returns [`crate::CommandError::interrupted`].

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

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

/// Calls `react` on a thread of its own for every interrupt from now on, the repeated ones included.
///
/// # Errors
///
/// When the operating system refuses to install the handlers.
pub fn on_interrupt(mut react: impl FnMut(Interrupt) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("interrupts".into()).spawn(move || {
        for signal in signals.forever() {
            react(match signal {
                SIGINT => Interrupt::Interrupt,
                SIGHUP => Interrupt::Hangup,
                _ => Interrupt::Terminate,
            });
        }
    })?;
    Ok(())
}
