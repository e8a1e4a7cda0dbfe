//! Stacks that guests run on, used again.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{StackCreator, StackMemory};

use super::reservation::Reservation;

/// Stacks that are kept for the next instances. Each holds as much as the deepest of its guests has used.
const MOST_KEPT: usize = 128;

/// Stacks for the instances of an engine, made when they are needed and then used again.
#[derive(Debug)]
pub(super) struct Stacks {
    page: usize,
    unused: Mutex<Unused>,
}

#[derive(Debug, Default)]
struct Unused {
    /// The one that was used last at the end.
    stacks: Vec<Reservation>,
    in_use: usize,
}

impl Stacks {
    pub(super) fn new() -> Self {
        Self { page: rustix::param::page_size(), unused: Mutex::default() }
    }

    /// Stacks in use.
    pub(super) fn in_use(&self) -> usize {
        self.unused().in_use
    }

    fn unused(&self) -> MutexGuard<'_, Unused> {
        // Each change is a single step, so a poisoned list is still whole.
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stack with a page below it that nobody can touch.
    fn take(&self, length: usize) -> wasmtime::Result<Reservation> {
        let found = {
            let mut unused = self.unused();
            unused.in_use += 1;
            unused.stacks.pop()
        };
        let stack = match found {
            Some(stack) if stack.length() == length => Ok(stack),
            _ => self.map(length),
        };
        Ok(stack.inspect_err(|_| self.unused().in_use -= 1)?)
    }

    fn map(&self, length: usize) -> io::Result<Reservation> {
        let stack = Reservation::new(length)?;
        stack.set_accessible(self.page..length, true)?;
        Ok(stack)
    }

    fn take_back(&self, stack: Reservation) {
        let mut unused = self.unused();
        unused.in_use -= 1;
        if unused.stacks.len() < MOST_KEPT {
            unused.stacks.push(stack);
        }
    }
}

/// How wasmtime asks for stacks.
pub(super) struct Creator(pub(super) Arc<Stacks>);

// SAFETY: a stack is a reservation of its own, accessible but for its lowest page.
#[expect(unsafe_code, reason = "wasmtime relies on what this gives it")]
unsafe impl StackCreator for Creator {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let page = self.0.page;
        let length = size.next_multiple_of(page).saturating_add(page);
        let space = self.0.take(length)?;
        let stack = Stack { space: Some(space), page, stacks: Arc::clone(&self.0) };
        if zeroed && let Some(space) = &stack.space {
            space.give_back(page..length)?;
        }
        Ok(Box::new(stack))
    }
}

struct Stack {
    /// Taken when it is dropped.
    space: Option<Reservation>,
    page: usize,
    stacks: Arc<Stacks>,
}

impl Stack {
    fn at(&self, offset: usize) -> *mut u8 {
        self.space.as_ref().map_or(std::ptr::null_mut(), |space| space.at(offset))
    }

    fn length(&self) -> usize {
        self.space.as_ref().map_or(0, Reservation::length)
    }
}

// SAFETY: as above.
#[expect(unsafe_code, reason = "wasmtime relies on what this gives it")]
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.at(self.length())
    }

    fn range(&self) -> Range<usize> {
        self.at(self.page).addr()..self.top().addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.at(0)..self.at(self.page)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(space) = self.space.take() {
            self.stacks.take_back(space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_used_again() {
        let stacks = Arc::new(Stacks::new());
        let new = |zeroed| Creator(Arc::clone(&stacks)).new_stack(100_000, zeroed);
        let (one, other) = (new(false).unwrap(), new(false).unwrap());
        assert_eq!(stacks.in_use(), 2);
        let page = rustix::param::page_size();
        assert_eq!(one.range().len(), 100_000_usize.next_multiple_of(page));
        assert_eq!(one.guard_range().end.addr(), one.range().start);
        assert_eq!(one.top().addr(), one.range().end);
        let top = one.top().addr();
        drop((other, one));
        assert_eq!(new(true).unwrap().top().addr(), top);
        assert_eq!(stacks.in_use(), 0);
    }
}
