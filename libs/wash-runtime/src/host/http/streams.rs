//! The tasks of HTTP/2 streams: each ends when its client takes nothing of its response for too long.
//!
//! Such a client keeps the connection alive with other frames, so only the stream itself shows it.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

tokio::task_local! {
    /// Since when the client has been due to take the frame that was given out last.
    static HANDED_OUT: Cell<Option<Instant>>;
}

/// Notes what a response's body gave when it was asked for a frame.
pub(super) fn has_polled<T>(frame: &Poll<Option<T>>) {
    // Streams of HTTP/1 have no task of their own: there the connection shows it.
    _ = HANDED_OUT.try_with(|handed_out| {
        handed_out.set(matches!(frame, Poll::Ready(Some(_))).then(Instant::now));
    });
}

/// Runs streams on the worker's thread.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    pub(super) write_timeout: Option<Duration>,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        match self.write_timeout {
            None => _ = tokio::spawn(stream),
            Some(timeout) => _ = tokio::spawn(HANDED_OUT.scope(Cell::new(None), unless_stalled(stream, timeout))),
        }
    }
}

/// Ends the stream, which resets it, when its client stalls.
async fn unless_stalled<F: Future<Output = ()>>(stream: F, timeout: Duration) {
    let mut stream = pin!(stream);
    let mut timer = pin!(None);
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let deadline = HANDED_OUT.with(Cell::get).and_then(|since| since.checked_add(timeout));
        let Some(deadline) = deadline else {
            timer.set(None);
            return Poll::Pending;
        };
        let is_set = timer.as_ref().as_pin_ref().is_some_and(|timer: Pin<&Sleep>| timer.deadline() == deadline);
        if !is_set {
            timer.set(Some(tokio::time::sleep_until(deadline)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx),
            None => Poll::Pending,
        }
    })
    .await;
}
