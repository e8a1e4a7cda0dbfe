//! The signals that ask the program to end, for a program that awaits them.
//!
//! Ends nothing itself: what an interrupt means depends on what is being done.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use washlib_cli::CommandError;

/// SIGINT, SIGTERM and SIGHUP as one event that can be awaited again and again.
#[derive(Clone)]
pub(crate) struct Interrupts {
    received: Arc<Notify>,
}

impl Interrupts {
    /// Starts to listen; from now on no signal ends the program by itself.
    pub(crate) fn listen() -> Result<Self, CommandError> {
        let received = Arc::new(Notify::new());
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind).map_err(CommandError::failure)?;
            let received = Arc::clone(&received);
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    received.notify_one();
                }
            });
        }
        Ok(Self { received })
    }

    /// Does what a signal would.
    pub(crate) fn interrupt(&self) {
        self.received.notify_one();
    }

    /// Waits for the next one; one that has come since the last call counts.
    pub(crate) async fn wait(&self) {
        self.received.notified().await;
    }
}
