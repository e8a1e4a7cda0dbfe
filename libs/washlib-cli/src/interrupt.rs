//! SIGINT, SIGTERM and SIGHUP as one event that a synchronous tool can react to.
//!
//! The tool cleans up and returns [`crate::CommandError::interrupted`]; only one that does not hear is ended here.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Who asks so many times is not being heard: perhaps the tool hangs in a read that cannot be interrupted.
const HEARD_AT_MOST: usize = 2;

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
    Ok(())
}
