//! Memories and stacks of instances that use them one after another.
//!
//! An instance that has ended leaves its memory with the pages that it wrote. The kernel tells which those are, they are
//! overwritten with zeros, and the next instance finds its memory there: no page has to come from the system, and no
//! other core is interrupted. wasmtime's own pool can do this too, but it asks for *present* pages alone, and passes over
//! one that is swapped out or being moved at that moment; so the memories are kept here.
//!
//! An instance's initial data are copied into its memory. That is right for few of them; components with many run on
//! wasmtime's pool, which maps them.

use std::io;
use std::sync::Arc;

use wasmtime::Config;

use super::pool::PoolUsage;

mod fit;
mod memories;
mod places;
mod reservation;
mod scan;
mod stacks;

pub(super) use fit::is_for;
pub(super) use memories::NO_MEMORY;
pub(crate) use places::{NoPlace, StorePlaces};

/// Memories of one instance, on the average of those that live.
const MEMORIES_PER_INSTANCE: u32 = 2;

/// What the instances of an engine use, and what waits for the next ones.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    places: Arc<places::Places>,
    memories: Arc<memories::Memories>,
    stacks: Arc<stacks::Stacks>,
}

impl Slots {
    /// For so many instances at once. An error where the kernel does not tell which pages were written.
    pub(super) fn new(instances: u32) -> io::Result<Self> {
        let memories = memories::Memories::new(instances.saturating_mul(MEMORIES_PER_INSTANCE) as usize)?;
        let places = places::Places::new(instances as usize);
        Ok(Self { places, memories: Arc::new(memories), stacks: Arc::new(stacks::Stacks::new()) })
    }

    /// Lets an engine's instances live in these slots.
    pub(super) fn configure(&self, config: &mut Config) {
        config
            .with_host_memory(Arc::new(memories::Creator(Arc::clone(&self.memories))))
            .with_host_stack(Arc::new(stacks::Creator(Arc::clone(&self.stacks))))
            // wasmtime maps initial data only into memories that it made itself.
            .memory_init_cow(false);
    }

    /// A place for the first instance of a store.
    pub(super) fn take(&self) -> Result<StorePlaces, NoPlace> {
        StorePlaces::first(&self.places)
    }

    pub(super) fn usage(&self) -> PoolUsage {
        let (memories, unused_bytes_resident) = self.memories.usage();
        PoolUsage {
            max_instances: u32::try_from(self.places.most()).unwrap_or(u32::MAX),
            component_instances: self.places.taken() as u64,
            memories,
            stacks: self.stacks.in_use(),
            unused_bytes_resident,
        }
    }
}
