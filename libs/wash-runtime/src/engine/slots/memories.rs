//! Linear memories that are used again.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::reservation::Reservation;
use super::scan::Scanner;

/// Bytes of a memory that stay with it from one use to the next. Overwriting them costs less than having them from the
/// system again; more are given back, which interrupts all cores once.
const MOST_KEPT: usize = 1 << 20;

/// Bytes that all unused memories keep together.
const MOST_KEPT_BY_ALL: usize = 64 << 20;

/// What an instance is told for which there is no memory. No type of ours comes through wasmtime.
pub(in crate::engine) const NO_MEMORY: &str = "the engine's instances have as many memories as they may have at once";

/// Memories for the instances of an engine, made when they are needed and then used again.
#[derive(Debug)]
pub(super) struct Memories {
    scanner: Scanner,
    page: usize,
    most: usize,
    unused: Mutex<Unused>,
}

#[derive(Debug, Default)]
struct Unused {
    /// By the bytes of them that are accessible, the one that was used last at the end.
    slots: BTreeMap<usize, Vec<Slot>>,
    kept: usize,
    /// Memories in use.
    in_use: usize,
}

/// Address space for one memory, with guards before and after it.
#[derive(Debug)]
struct Slot {
    space: Reservation,
    guard: usize,
    /// From the memory's first byte on.
    accessible: usize,
    /// Bytes that the system still holds for it. They are zero.
    kept: usize,
    /// Where the last of them is, in the address space.
    kept_end: usize,
}

impl Memories {
    pub(super) fn new(most: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        Ok(Self { scanner: Scanner::new()?, page, most, unused: Mutex::default() })
    }

    /// Memories in use, and bytes that the others keep.
    pub(super) fn usage(&self) -> (usize, usize) {
        let unused = self.unused();
        (unused.in_use, unused.kept)
    }

    fn unused(&self) -> MutexGuard<'_, Unused> {
        // Each change is a single step, so a poisoned list is still whole.
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, accessible: usize, capacity: usize, guard: usize) -> Result<Slot, String> {
        let found = {
            let mut unused = self.unused();
            if unused.in_use >= self.most {
                return Err(NO_MEMORY.to_string());
            }
            unused.in_use += 1;
            unused.pop(accessible)
        };
        let found = found.filter(|slot| slot.capacity() >= capacity && slot.guard >= guard);
        let slot = match found {
            Some(slot) => Ok(slot),
            None => Slot::new(capacity, guard),
        };
        let slot = slot.and_then(|mut slot| slot.set_accessible(accessible).map(|()| slot));
        slot.map_err(|err| {
            self.unused().in_use -= 1;
            format!("no address space for a memory: {err}")
        })
    }

    /// Makes a memory clean for its next use. One that cannot be is unmapped.
    fn take_back(&self, mut slot: Slot) {
        let has_room = self.unused().kept < MOST_KEPT_BY_ALL;
        let most = if has_room { MOST_KEPT } else { 0 };
        let cleaned = slot.clean(&self.scanner, self.page, most);
        let mut unused = self.unused();
        unused.in_use -= 1;
        if cleaned.is_ok() {
            unused.push(slot);
        }
    }
}

impl Unused {
    /// One of this size, if there is any; otherwise, any.
    fn pop(&mut self, accessible: usize) -> Option<Slot> {
        let size = if self.slots.contains_key(&accessible) { accessible } else { *self.slots.keys().next()? };
        let slots = self.slots.get_mut(&size)?;
        let slot = slots.pop();
        if slots.is_empty() {
            self.slots.remove(&size);
        }
        self.kept -= slot.as_ref().map_or(0, |slot| slot.kept);
        slot
    }

    fn push(&mut self, slot: Slot) {
        self.kept += slot.kept;
        self.slots.entry(slot.accessible).or_default().push(slot);
    }
}

impl Slot {
    fn new(capacity: usize, guard: usize) -> io::Result<Self> {
        let length = guard.checked_mul(2).and_then(|guards| guards.checked_add(capacity));
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { space: Reservation::new(length)?, guard, accessible: 0, kept: 0, kept_end: 0 })
    }

    fn capacity(&self) -> usize {
        self.space.length() - 2 * self.guard
    }

    fn set_accessible(&mut self, bytes: usize) -> io::Result<()> {
        if bytes > self.capacity() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (before, after) = (self.guard + self.accessible, self.guard + bytes);
        if before < after {
            self.space.set_accessible(before..after, true).inspect_err(|_| {
                // A part of it may be accessible now. Whoever runs in this memory must not find it.
                if self.space.set_accessible(before..after, false).is_err() {
                    tracing::error!("a guest's memory cannot be closed again");
                    std::process::abort();
                }
            })?;
        } else if after < before {
            // Nothing that is not seen from now on is kept, or nobody would count it.
            if self.kept_end > after {
                self.space.give_back(after..before)?;
                self.kept_end = after;
            }
            self.space.set_accessible(after..before, false)?;
        }
        self.accessible = bytes;
        Ok(())
    }

    #[expect(unsafe_code, reason = "zeros are written over what the kernel says was written")]
    fn clean(&mut self, scanner: &Scanner, page: usize, most: usize) -> io::Result<()> {
        let first = self.space.at(0).addr();
        let (start, end) = (self.guard, self.guard + self.accessible);
        let (mut seen, mut kept, mut kept_end) = (start, 0, start);
        while seen < end && kept < most {
            let written = scanner.written(first + seen..first + end, (most - kept) / page)?;
            seen = written.seen - first;
            for run in written.runs() {
                kept += run.len();
                kept_end = run.end - first;
                // SAFETY: it is accessible, for the kernel was asked for nothing else, and its instance is gone.
                unsafe { self.space.overwrite(run.start - first..run.end - first)? };
            }
        }
        if seen < end {
            self.space.give_back(seen..end)?;
        }
        (self.kept, self.kept_end) = (kept, kept_end);
        Ok(())
    }
}

/// How wasmtime asks for memories.
pub(super) struct Creator(pub(super) Arc<Memories>);

// SAFETY: a memory is a reservation of its own, zero as far as it is accessible, with the guards that were asked for.
#[expect(unsafe_code, reason = "wasmtime relies on what this gives it")]
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let reserved = reserved.unwrap_or(minimum).max(minimum.next_multiple_of(self.0.page));
        let slot = self.0.take(minimum.next_multiple_of(self.0.page), reserved, guard)?;
        Ok(Box::new(Memory { slot: Some(slot), size: minimum, memories: Arc::clone(&self.0) }))
    }
}

struct Memory {
    /// Taken when it is dropped.
    slot: Option<Slot>,
    size: usize,
    memories: Arc<Memories>,
}

// SAFETY: as above; the memory never moves.
#[expect(unsafe_code, reason = "wasmtime relies on what this gives it")]
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.slot.as_ref().map_or(0, Slot::capacity)
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        let Some(slot) = self.slot.as_mut().filter(|slot| size <= slot.capacity()) else {
            wasmtime::bail!("the memory would be larger than its address space");
        };
        let accessible = size.next_multiple_of(self.memories.page);
        if accessible > slot.accessible {
            slot.set_accessible(accessible)?;
        }
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.slot.as_ref().map_or(std::ptr::null_mut(), |slot| slot.space.at(slot.guard))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.memories.take_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;
    const GUARD: usize = 1 << 20;

    fn memories(most: usize) -> Option<Arc<Memories>> {
        // A kernel without the scan has nothing to be tested.
        Memories::new(most).ok().map(Arc::new)
    }

    fn memory(memories: &Arc<Memories>, pages: usize) -> Result<Box<dyn LinearMemory>, String> {
        let ty = MemoryType::new(1, None);
        Creator(Arc::clone(memories)).new_memory(ty, pages * PAGE, None, Some(64 * PAGE), GUARD)
    }

    #[expect(unsafe_code, reason = "the tests read and write what an instance would")]
    fn bytes(memory: &mut dyn LinearMemory) -> &mut [u8] {
        // SAFETY: so many bytes are accessible, and nobody else has the memory.
        unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.byte_size()) }
    }

    fn is_zero(memory: &mut dyn LinearMemory) -> bool {
        bytes(memory).iter().all(|byte| *byte == 0)
    }

    #[test]
    fn what_one_instance_writes_the_next_one_does_not_see() {
        let Some(memories) = memories(4) else { return };
        let mut addresses = Vec::new();
        // A few pages here and there, each second page, all pages, more than is kept.
        for (pages, step) in [(17, 50_000), (17, 8_192), (17, 4_096), (40, 4_096), (17, 1), (40, 1)] {
            let mut one = memory(&memories, pages).unwrap();
            assert!(is_zero(&mut *one), "{pages} {step}");
            bytes(&mut *one).iter_mut().step_by(step).for_each(|byte| *byte = 0xa5);
            one.grow_to((pages + 2) * PAGE).unwrap();
            let grown = bytes(&mut *one);
            assert!(grown[pages * PAGE..].iter().all(|byte| *byte == 0));
            grown[pages * PAGE..].fill(0x5a);
            addresses.push(one.as_ptr().addr());
            drop(one);
            assert!(is_zero(&mut *memory(&memories, pages + 2).unwrap()), "{pages} {step}");
        }
        assert!(addresses.iter().all(|address| *address == addresses[0]), "it is the same memory: {addresses:?}");
        let (in_use, kept) = memories.usage();
        assert_eq!(in_use, 0);
        assert!((1..=MOST_KEPT).contains(&kept), "{kept}");
    }

    #[test]
    fn what_is_beyond_a_smaller_size_is_not_kept() {
        let Some(memories) = memories(1) else { return };
        for pages in (20..40).rev() {
            let mut one = memory(&memories, 17).unwrap();
            one.grow_to(pages * PAGE).unwrap();
            bytes(&mut *one)[(pages - 1) * PAGE..].fill(1);
        }
        drop(memory(&memories, 17).unwrap());
        let mut unused = memories.unused();
        let slot = unused.pop(17 * PAGE).unwrap();
        let first = slot.space.at(0).addr();
        let written = memories.scanner.written(first..first + slot.space.length(), 1_000).unwrap();
        assert_eq!(written.runs().count(), 0);
    }

    #[test]
    fn a_page_that_was_only_read_is_not_kept() {
        let Some(memories) = memories(1) else { return };
        assert!(is_zero(&mut *memory(&memories, 17).unwrap()));
        assert_eq!(memories.usage(), (0, 0));
    }

    #[test]
    fn memories_are_limited_and_their_address_space_too() {
        let Some(memories) = memories(2) else { return };
        let (mut one, other) = (memory(&memories, 1).unwrap(), memory(&memories, 1).unwrap());
        assert!(memory(&memories, 1).is_err());
        drop(other);
        assert!(memory(&memories, 1).is_ok());
        assert!(one.grow_to(64 * PAGE).is_ok());
        assert!(one.grow_to(65 * PAGE).is_err());
        assert_eq!(one.byte_size(), 64 * PAGE);
    }

    #[test]
    fn threads_share_them() {
        let Some(memories) = memories(8) else { return };
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let memories = &memories;
                scope.spawn(move || {
                    for round in 0..200 {
                        let mut one = memory(memories, 1 + round % 3).unwrap();
                        assert!(is_zero(&mut *one));
                        bytes(&mut *one).iter_mut().step_by(10_000).for_each(|byte| *byte = thread + 1);
                    }
                });
            }
        });
        assert_eq!(memories.usage().0, 0);
    }
}
