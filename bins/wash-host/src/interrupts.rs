//! The signals that ask the program to end, as one event that can be awaited again and again.
//!
//! Ends nothing itself: what an interrupt means depends on what is being done.

use std::sync::Arc;

use tokio::sync::Notify;
use washlib_cli::CommandError;

/// SIGINT, SIGTERM and SIGHUP. The third one ends the program whatever it is doing.
#[derive(Clone, Default)]
pub(crate) struct Interrupts {
    received: Arc<Notify>,
}

impl Interrupts {
    /// Starts to listen for signals; until then they end the program.
    pub(crate) fn listen(&self) -> Result<(), CommandError> {
        let notify = Arc::clone(&self.received);
        washlib_cli::on_interrupt(move |_| notify.notify_one()).map_err(CommandError::failure)
    }

    /// Asks for the end as a signal would.
    pub(crate) fn interrupt(&self) {
        self.received.notify_one();
    }

    /// Waits for the next one; one that has come since the last call counts.
    pub(crate) async fn wait(&self) {
        self.received.notified().await;
    }
}
