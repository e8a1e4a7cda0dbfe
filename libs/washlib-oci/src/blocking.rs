//! For tools without an async runtime: the same pull, on a thread of its own.

use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

use crate::client::Client;
use crate::error::RegistryError;
use crate::progress::Progress;
use crate::pull::{PullError, PullOptions, PulledComponent};
use crate::reference::Reference;

/// Ends work from another thread, as from the handler of a signal. Clones end the same work.
#[derive(Clone, Debug)]
pub struct Cancellation {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Cancellation {
    /// Ends the work that goes on, and whatever begins later.
    pub fn cancel(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it has been called.
    pub fn is_cancelled(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits for it.
    pub async fn cancelled(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as this.
        let _ = receiver.wait_for(|cancelled| *cancelled).await;
    }
}

/// [`Client::pull_component`] for callers without a runtime; also works where there is one. None when it was cancelled:
/// nothing half-made is left then.
///
/// # Errors
///
/// As for [`Client::pull_component`].
pub fn pull_component_blocking(
    client: &Client,
    reference: &Reference,
    options: &PullOptions,
    progress: &dyn Progress,
    cancellation: &Cancellation,
) -> Result<Option<PulledComponent>, PullError> {
    let result = run_blocking(client.pull_component(reference, options, progress), cancellation);
    result
        .map_err(|source| PullError::Registry {
            reference: Box::new(reference.clone()),
            source: Box::new(RegistryError::Io(source)),
        })?
        .transpose()
}

/// Runs any of the client's methods to its end on a thread of its own, or until it is cancelled.
///
/// # Errors
///
/// When the system gives no thread or no runtime.
pub fn run_blocking<F>(work: F, cancellation: &Cancellation) -> std::io::Result<Option<F::Output>>
where
    F: Future + Send,
    F::Output: Send,
{
    // A thread of its own: a runtime inside another one's thread would panic.
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("registry".to_owned()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let result = runtime.block_on(async {
                tokio::select! {
                    result = work => Some(result),
                    () = cancellation.cancelled() => None,
                }
            });
            // What blocks, such as hashing a file, must not hold up the end.
            runtime.shutdown_background();
            Ok(result)
        })?;
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
