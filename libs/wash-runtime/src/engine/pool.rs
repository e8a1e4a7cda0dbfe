//! How many instances there may be at once, how a memory is made clean for the next one, and wasmtime's pool.
//!
//! It compiles nothing and knows no workload; what wasmtime's pool does with these numbers is wasmtime's.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::slots::Slots;
use super::unused_memory::UnusedMemory;

/// Component instances that may live at once unless the embedder says otherwise.
pub(super) const DEFAULT_INSTANCES: u32 = 2_000;

/// A pool that cannot hold this many is not worth its reservation.
const FEWEST_INSTANCES: u32 = 16;

/// A component from a typical toolchain holds a main module, an adapter and two modules of glue.
const CORE_INSTANCES_PER_COMPONENT: u32 = 4;

const TABLES_PER_COMPONENT: u32 = 2;

/// Pointer-sized entries of one table; the largest language runtimes need tens of thousands.
pub(super) const TABLE_ELEMENTS: usize = 100_000;

/// Bytes of a memory that stay mapped between two instances where it is overwritten from its start: enough for the stack
/// of a megabyte that most toolchains place first, and for the data after it.
const OVERWRITTEN_RESIDENT: usize = 2 << 20;

/// Tables are a page or two: overwriting them is cheaper than a system call for each.
const TABLE_RESIDENT: usize = 64 << 10;

/// Memories that are given back in one system call. Each such call interrupts all cores that the process runs on.
/// Memories that wait are given back at once when the pool is full.
const DECOMMIT_BATCH: usize = 64;

/// Mappings that an instance's slot can take: four for its memory (before, inside and after the initial image, and the
/// rest that is inaccessible), two for its stack and the guard page below.
const MAPPINGS_PER_INSTANCE: u32 = 6;

/// How a memory is made clean for its next instance.
///
/// All ways give the next instance the same fresh memory; they differ in what that costs.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum MemoryReset {
    /// [`PagemapScan`](Self::PagemapScan) where the kernel has it, otherwise [`Decommit`](Self::Decommit).
    #[default]
    Auto,
    /// Gives all pages back to the system. Idle slots hold no memory; each instance faults its pages in again.
    Decommit,
    /// Overwrites the first 2 MiB of a memory and gives the rest back. No page faults, but it writes as many bytes as
    /// the memory has, touched or not, and they stay resident in each slot that was ever used.
    Overwrite,
    /// Asks the kernel (Linux 6.7, `PAGEMAP_SCAN`) which pages were written, overwrites up to 1 MiB of those and gives
    /// the rest back. Pages that are swapped out or being moved at that moment are found too, which wasmtime's own use
    /// of the scan passes over; so these memories are not wasmtime's.
    ///
    /// It is the fastest way for components that touch little of their memory. Those with more than 256 KiB of initial
    /// data are better off with copy-on-write mappings, and [`Decommit`](Self::Decommit) is used for them. So it is where
    /// the kernel lacks the scan, and a warning is recorded.
    PagemapScan,
}

/// How many of the places for instances are in use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PoolUsage {
    /// Component instances that may live at once.
    pub max_instances: u32,
    /// Component instances that live.
    pub component_instances: u64,
    /// Memories in use.
    pub memories: usize,
    /// Stacks in use.
    pub stacks: usize,
    /// Bytes that stay resident in memories and tables that nobody uses.
    pub unused_bytes_resident: usize,
}

impl PoolUsage {
    /// The sum of these places and others.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            max_instances: self.max_instances.saturating_add(other.max_instances),
            component_instances: self.component_instances + other.component_instances,
            memories: self.memories + other.memories,
            stacks: self.stacks + other.stacks,
            unused_bytes_resident: self.unused_bytes_resident + other.unused_bytes_resident,
        }
    }
}

/// What a pool was asked to be, or what it became.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolSettings {
    pub(super) instances: u32,
    pub(super) reset: MemoryReset,
}

impl PoolSettings {
    /// Places outside wasmtime's pool, where memories are to be reset by a scan and can be.
    pub(super) fn slots(self) -> Option<Slots> {
        if !matches!(self.reset, MemoryReset::Auto | MemoryReset::PagemapScan) {
            return None;
        }
        let instances = self.instances.min(system::instances_that_fit_the_mappings()).max(1);
        match Slots::new(instances) {
            Ok(slots) => {
                self.warn_of_fewer(instances);
                Some(slots)
            }
            Err(err) => {
                if self.reset == MemoryReset::PagemapScan {
                    tracing::warn!("memory is given back to the system after each instance, for it has no scan: {err}");
                }
                None
            }
        }
    }

    /// An engine with the largest pool that the system allows up to these settings, and what that pool is. The error
    /// is that of the smallest one.
    pub(super) fn build(self, config: &Config) -> wasmtime::Result<(Engine, Self)> {
        let reset = if self.reset == MemoryReset::Overwrite { self.reset } else { MemoryReset::Decommit };
        let mut instances = self.instances.min(system::instances_that_fit_the_mappings()).max(1);
        loop {
            let settings = Self { instances, reset };
            let error = match settings.engine(config) {
                Ok(engine) => {
                    self.warn_of_fewer(instances);
                    return Ok((engine, settings));
                }
                Err(error) => error,
            };
            if instances <= FEWEST_INSTANCES {
                return Err(error);
            }
            instances = (instances / 2).max(FEWEST_INSTANCES);
        }
    }

    fn warn_of_fewer(self, instances: u32) {
        if instances < self.instances {
            tracing::warn!(asked = self.instances, instances, "the system's limits allow a smaller pool of instances");
        }
    }

    fn engine(self, config: &Config) -> wasmtime::Result<Engine> {
        let mut config = config.clone();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        Engine::new(&config)
    }

    /// Memories that are given back together.
    fn batch(self) -> usize {
        if self.reset == MemoryReset::Overwrite { 1 } else { DECOMMIT_BATCH }
    }

    /// What the engine's pool, which has these settings, keeps of instances that have ended.
    pub(super) fn unused_memory(self, engine: &Engine) -> Option<UnusedMemory> {
        (self.batch() > 1).then(|| UnusedMemory::new(engine, self.batch()))
    }

    fn pool(self) -> PoolingAllocationConfig {
        let instances = self.instances;
        let resident = if self.reset == MemoryReset::Overwrite { OVERWRITTEN_RESIDENT } else { 0 };
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
            .total_memories(instances)
            .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
            .total_stacks(instances)
            .max_memories_per_module(16)
            .max_tables_per_module(16)
            .table_elements(TABLE_ELEMENTS)
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(16 << 20)
            // A slot that keeps its component's image needs no mapping when an instance of that component comes back.
            .max_unused_warm_slots(instances)
            .linear_memory_keep_resident(resident)
            .table_keep_resident(TABLE_RESIDENT)
            .decommit_batch_size(self.batch());
        pool
    }

    /// How much of the engine's pool, which has these settings, is in use.
    pub(super) fn usage(self, engine: &Engine) -> Option<PoolUsage> {
        let metrics = engine.pooling_allocator_metrics()?;
        Some(PoolUsage {
            max_instances: self.instances,
            component_instances: metrics.component_instances(),
            memories: metrics.memories(),
            stacks: metrics.stacks(),
            unused_bytes_resident: metrics.unused_memory_bytes_resident() + metrics.unused_table_bytes_resident(),
        })
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{FEWEST_INSTANCES, MAPPINGS_PER_INSTANCE};

    /// Half of the mappings that the kernel allows a process are the pool's, the others are for code and threads.
    pub(super) fn instances_that_fit_the_mappings() -> u32 {
        let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        let mappings = mappings.and_then(|text| text.trim().parse::<u32>().ok());
        mappings.map_or(u32::MAX, |mappings| (mappings / 2 / MAPPINGS_PER_INSTANCE).max(FEWEST_INSTANCES))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn instances_that_fit_the_mappings() -> u32 {
        u32::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(instances: u32, reset: MemoryReset) -> (Engine, PoolSettings) {
        PoolSettings { instances, reset }.build(Config::new().concurrency_support(false)).unwrap()
    }

    #[test]
    fn a_pool_holds_what_it_was_asked_for() {
        for reset in [MemoryReset::Decommit, MemoryReset::Overwrite] {
            let (engine, pool) = build(3, reset);
            assert_eq!((pool.instances, pool.reset), (3, reset));
            assert_eq!(pool.usage(&engine), Some(PoolUsage { max_instances: 3, ..PoolUsage::default() }));
        }
        assert_eq!(build(3, MemoryReset::Auto).1.reset, MemoryReset::Decommit);
    }

    #[test]
    fn a_pool_that_no_system_can_hold_is_made_smaller() {
        let (_, pool) = build(u32::MAX, MemoryReset::Decommit);
        assert!((FEWEST_INSTANCES..100_000).contains(&pool.instances), "{pool:?}");
    }
}
