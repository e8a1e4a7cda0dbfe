//! One direction of a virtual connection: bytes in order, a bounded number of them waiting, and how it ends.
//!
//! It knows neither addresses nor who holds its ends.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

/// Bytes that wait for their reader in one direction, at most.
pub(super) const CAPACITY: usize = 64 << 10;

/// What is left of [`CAPACITY`] for every pipe of a workload that has used up its budget. It is more than nothing so
/// that each pipe advances as its own reader reads, whatever the others do.
pub(super) const CROWDED_CAPACITY: usize = 1 << 10;

/// Bytes that wait in all pipes and mailboxes of a workload before each of them gets less room.
pub(super) const BUDGET: usize = 32 << 20;

/// Bytes that wait in a whole virtual network.
#[derive(Default)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= BUDGET
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One direction of a connection.
pub(super) struct Pipe {
    state: Mutex<State>,
    budget: Arc<Budget>,
}

struct State {
    waiting: BytesMut,
    ending: Ending,
    /// The writer has not heard everything that was sent to it, so its end is no orderly one.
    unclean: bool,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What the reader finds after the last byte.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Ending {
    Open,
    Finished,
    Reset,
}

impl Pipe {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        let state = State {
            waiting: BytesMut::new(),
            ending: Ending::Open,
            unclean: false,
            reader_gone: false,
            reader: None,
            writer: None,
        };
        Self { state: Mutex::new(state), budget }
    }

    /// Up to `most` bytes, none at the orderly end.
    ///
    /// # Errors
    /// The connection was reset.
    pub(super) fn poll_read(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut state = self.lock();
        if most == 0 {
            return Poll::Ready(Ok(Bytes::new()));
        }
        if state.waiting.is_empty() {
            return match state.ending {
                Ending::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Ending::Open if !state.reader_gone => {
                    register(&mut state.reader, context);
                    Poll::Pending
                }
                Ending::Open | Ending::Finished => Poll::Ready(Ok(Bytes::new())),
            };
        }
        // Taking all gives the memory away too, so that an idle pipe holds none.
        let bytes = if most >= state.waiting.len() {
            std::mem::take(&mut state.waiting).freeze()
        } else {
            state.waiting.split_to(most).freeze()
        };
        self.budget.give_back(bytes.len());
        wake(state, |state| [state.writer.take(), None]);
        Poll::Ready(Ok(bytes))
    }

    /// Resolves when a read would not have to wait.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.waiting.is_empty() && state.ending == Ending::Open && !state.reader_gone {
            register(&mut state.reader, context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// How many bytes may be written now, at least one.
    ///
    /// # Errors
    /// `ConnectionReset` if it was reset, `BrokenPipe` if one of the ends is closed.
    pub(super) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Err(err) = state.check_writable() {
            return Poll::Ready(Err(err));
        }
        let capacity = if self.budget.is_used_up() { CROWDED_CAPACITY } else { CAPACITY };
        match capacity.saturating_sub(state.waiting.len()) {
            0 => {
                register(&mut state.writer, context);
                Poll::Pending
            }
            room => Poll::Ready(Ok(room)),
        }
    }

    /// Adds bytes, whose number [`poll_writable`](Self::poll_writable) has granted.
    ///
    /// # Errors
    /// Those of `poll_writable`.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        self.budget.take(bytes.len());
        state.waiting.extend_from_slice(bytes);
        wake(state, |state| [state.reader.take(), None]);
        Ok(())
    }

    /// The writer has no more to say.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        if state.ending == Ending::Open {
            state.ending = if state.unclean { Ending::Reset } else { Ending::Finished };
        }
        wake(state, |state| [state.reader.take(), state.writer.take()]);
    }

    /// The reader wants no more. Returns whether it left something unread.
    pub(super) fn abandon(&self) -> bool {
        let mut state = self.lock();
        state.reader_gone = true;
        let unread = std::mem::take(&mut state.waiting).len();
        self.budget.give_back(unread);
        wake(state, |state| [state.reader.take(), state.writer.take()]);
        unread > 0
    }

    /// The writer's side has thrown away what it was sent: when it ends, the reader learns that by a reset.
    pub(super) fn end_uncleanly(&self) {
        let mut state = self.lock();
        state.unclean = true;
        if state.ending == Ending::Finished {
            state.ending = Ending::Reset;
        }
    }

    /// Ends it at once; what waits is lost.
    pub(super) fn reset(&self) {
        let mut state = self.lock();
        state.ending = Ending::Reset;
        state.reader_gone = true;
        let unread = std::mem::take(&mut state.waiting).len();
        self.budget.give_back(unread);
        wake(state, |state| [state.reader.take(), state.writer.take()]);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, so a poisoned one is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let unread = self.lock().waiting.len();
        self.budget.give_back(unread);
    }
}

impl State {
    fn check_writable(&self) -> io::Result<()> {
        match self.ending {
            Ending::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Ending::Finished => Err(io::ErrorKind::BrokenPipe.into()),
            Ending::Open if self.reader_gone => Err(io::ErrorKind::BrokenPipe.into()),
            Ending::Open => Ok(()),
        }
    }
}

fn register(slot: &mut Option<Waker>, context: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(context.waker()),
        None => *slot = Some(context.waker().clone()),
    }
}

/// Wakes after the lock is released: a waker may run other code at once.
fn wake(mut state: MutexGuard<'_, State>, wakers: impl FnOnce(&mut State) -> [Option<Waker>; 2]) {
    let wakers = wakers(&mut state);
    drop(state);
    for waker in wakers.into_iter().flatten() {
        waker.wake();
    }
}
