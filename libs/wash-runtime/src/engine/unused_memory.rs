//! Memory of instances that have ended, and when the system gets it back.
//!
//! The pool gives memories back in batches, because each system call for that interrupts all cores. It counts memories,
//! however large they are: a few of those that a guest has filled would keep gigabytes from everybody. So bytes are
//! counted here, and a batch is made full when they are too many.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use wasmtime::{Engine, Instance, Module, Store};

/// Bytes of one memory that the pool's own batches are for.
const SMALL: usize = 2 << 20;

/// Bytes beyond that which one thread may leave to the next batch.
const MOST_UNUSED: usize = 32 << 20;

/// A module that has a memory of one page and nothing else.
const ONE_PAGE: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01";

/// What an engine's pool keeps for its next batches.
pub(crate) struct UnusedMemory {
    engine: Engine,
    /// Memories of a batch.
    batch: usize,
    /// Compiled when it is first needed; none where that fails.
    filler: OnceLock<Option<Module>>,
    /// A batch belongs to the thread that has dropped its instances.
    bytes: Mutex<HashMap<ThreadId, usize>>,
}

impl UnusedMemory {
    pub(super) fn new(engine: &Engine, batch: usize) -> Self {
        Self { engine: engine.clone(), batch, filler: OnceLock::new(), bytes: Mutex::default() }
    }

    /// A store with so much memory has been dropped by this thread.
    pub(super) fn add(&self, bytes: usize) {
        let large = bytes.saturating_sub(SMALL);
        if large > 0 && self.is_too_much(large) {
            self.give_back();
        }
    }

    fn is_too_much(&self, more: usize) -> bool {
        // Each change is a single step, so a poisoned map is still whole.
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let all = bytes.remove(&thread::current().id()).unwrap_or(0).saturating_add(more);
        if all <= MOST_UNUSED {
            bytes.insert(thread::current().id(), all);
        }
        all > MOST_UNUSED
    }

    /// Fills this thread's batch, so that the pool gives it back.
    fn give_back(&self) {
        let Some(filler) = self.filler.get_or_init(|| Module::new(&self.engine, ONE_PAGE).ok()) else { return };
        for _ in 0..self.batch {
            // Where the pool has no room, it has given back what it kept.
            if Instance::new(&mut Store::new(&self.engine, ()), filler, &[]).is_err() {
                return;
            }
        }
    }
}

impl std::fmt::Debug for UnusedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnusedMemory").finish_non_exhaustive()
    }
}
