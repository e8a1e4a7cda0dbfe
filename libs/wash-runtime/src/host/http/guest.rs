//! A guest at work on a request, driven by whoever waits for what it does.
//!
//! A guest runs on the connection's own task: most are done before another thread would have woken up. One that computes
//! for long moves to threads of its own, so that other connections do not wait for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::engine::schedule::Schedule;

/// Epochs that a guest may compute through on the connection's thread. It moves at the end of the last of them.
const EPOCHS_ON_CONNECTION: u32 = 1;

/// What a guest returns when it has ended.
pub(super) type GuestResult = wasmtime::Result<()>;

type GuestFuture = Pin<Box<dyn Future<Output = GuestResult> + Send>>;

/// A guest at work. Dropped, it is ended.
pub(super) struct Guest {
    state: State,
    engine: Engine,
    schedule: Arc<Schedule>,
}

enum State {
    Here(GuestFuture),
    Moved(JoinHandle<GuestResult>),
    Ended,
}

impl Guest {
    pub(super) fn new(
        engine: Engine,
        schedule: Arc<Schedule>,
        guest: impl Future<Output = GuestResult> + Send + 'static,
    ) -> Self {
        let driver = Arc::clone(&schedule);
        Self { state: State::Here(Box::pin(async move { driver.drive(guest).await })), engine, schedule }
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Lets the guest go on until it waits for something; ready once, when it has ended. `None` tells that the host's
    /// own code panicked on its behalf.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<GuestResult>> {
        let result = match &mut self.state {
            State::Here(guest) => match guest.as_mut().poll(cx) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => {
                    if self.schedule.epochs() < EPOCHS_ON_CONNECTION {
                        return Poll::Pending;
                    }
                    self.move_away();
                    return self.poll(cx);
                }
            },
            State::Moved(task) => std::task::ready!(Pin::new(task).poll(cx)).ok(),
            State::Ended => return Poll::Pending,
        };
        self.state = State::Ended;
        Poll::Ready(result)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn move_away(&mut self) {
        if let State::Here(guest) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Moved(self.engine.compute().spawn(guest));
        }
    }

    /// Lets the guest go on by itself.
    pub(super) fn detach(&mut self) {
        if let State::Here(guest) = std::mem::replace(&mut self.state, State::Ended) {
            // Without a runtime the server is going, and the guest with it.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(guest);
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let State::Moved(task) = &self.state {
            task.abort();
        }
    }
}
