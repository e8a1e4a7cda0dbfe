//! Datagrams that wait for a virtual UDP socket. What finds no room is lost, as on any network.
//!
//! It knows no addresses but those that datagrams carry.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::pipe::Budget;

/// Datagrams that wait for one socket, at most.
pub(super) const MAX_DATAGRAMS: usize = 256;

/// Bytes of datagrams that wait for one socket, at most: room for a few of the largest.
const MAX_BYTES: usize = 256 << 10;

/// A datagram and who sent it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Datagram {
    pub(super) data: Vec<u8>,
    pub(super) from: SocketAddr,
}

/// The queue of one socket.
pub(super) struct Mailbox {
    state: Mutex<State>,
    budget: Arc<Budget>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Datagram>,
    bytes: usize,
    reader: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { state: Mutex::default(), budget }
    }

    /// Adds a datagram, or loses it.
    pub(super) fn deliver(&self, datagram: Datagram) {
        let mut state = self.lock();
        let size = datagram.data.len();
        if state.waiting.len() >= MAX_DATAGRAMS || state.bytes + size > MAX_BYTES || self.budget.is_used_up() {
            return;
        }
        state.bytes += size;
        self.budget.take(size);
        state.waiting.push_back(datagram);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Has whoever waits look again.
    pub(super) fn wake(&self) {
        let reader = self.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The oldest datagram; with a `peer`, the oldest of that one, and those of others are lost.
    pub(super) fn take(&self, peer: Option<SocketAddr>) -> Option<Datagram> {
        let mut state = self.lock();
        self.skip_strangers(&mut state, peer);
        let datagram = state.waiting.pop_front()?;
        state.bytes -= datagram.data.len();
        self.budget.give_back(datagram.data.len());
        Some(datagram)
    }

    /// Resolves when there is a datagram to take.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>, peer: Option<SocketAddr>) -> Poll<()> {
        let mut state = self.lock();
        self.skip_strangers(&mut state, peer);
        if state.waiting.is_empty() {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn skip_strangers(&self, state: &mut State, peer: Option<SocketAddr>) {
        let Some(peer) = peer else { return };
        while let Some(datagram) = state.waiting.pop_front_if(|datagram| datagram.from != peer) {
            state.bytes -= datagram.data.len();
            self.budget.give_back(datagram.data.len());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, so a poisoned one is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.budget.give_back(bytes);
    }
}
