//! Threads for guests that compute for long.
//!
//! They run at a lower priority than the threads that answer requests, so that a guest that spins takes what others
//! leave.

use std::io;

use tokio::runtime::{self, Builder, Runtime};
use tokio::task::JoinHandle;

/// How far the threads stand back: about a tenth of an ordinary thread's weight.
const NICENESS: i32 = 10;

/// The threads; they end with the last guest when this is dropped.
#[derive(Debug)]
pub(crate) struct Compute {
    /// Present until it is dropped.
    runtime: Option<Runtime>,
}

impl Compute {
    pub(super) fn start() -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("wash-compute")
            .enable_all()
            .on_thread_start(stand_back)
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Which runtime the threads are.
    pub(crate) fn runtime_id(&self) -> Option<runtime::Id> {
        self.runtime.as_ref().map(|runtime| runtime.handle().id())
    }

    /// Goes on with a guest on these threads.
    pub(crate) fn spawn<T: Send + 'static>(&self, guest: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.runtime {
            Some(runtime) => runtime.spawn(guest),
            None => tokio::spawn(guest),
        }
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        // Waiting for guests here could take for ever, and is not allowed on an asynchronous thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// On Linux a thread has a niceness of its own; elsewhere it is the whole process's, which must stay.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(err) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!("threads that compute for guests keep their priority: {err}");
    }
}
