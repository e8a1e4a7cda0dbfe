//! Where the memory of instances comes from: how large the pool is, and how a slot is made clean for its next instance.
//!
//! It compiles nothing and knows no workload; what wasmtime's pool does with these numbers is wasmtime's.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::unused_memory::UnusedMemory;

/// Component instances that may live at once unless the embedder says otherwise.
pub(super) const DEFAULT_INSTANCES: u32 = 2_000;

/// A pool that cannot hold this many is not worth its reservation.
const FEWEST_INSTANCES: u32 = 16;

/// A component from a typical toolchain holds a main module, an adapter and two modules of glue.
const CORE_INSTANCES_PER_COMPONENT: u32 = 4;

const TABLES_PER_COMPONENT: u32 = 2;

/// Pointer-sized entries of one table; the largest language runtimes need tens of thousands.
const TABLE_ELEMENTS: usize = 100_000;

/// Bytes of a memory that stay mapped between two instances where dirty pages are found by a scan.
const SCANNED_RESIDENT: usize = 512 << 10;

/// The same where the memory is overwritten from its start: enough for the stack of a megabyte that most toolchains
/// place first, and for the data after it.
const OVERWRITTEN_RESIDENT: usize = 2 << 20;

/// Tables are a page or two: overwriting them is cheaper than a system call for each.
const TABLE_RESIDENT: usize = 64 << 10;

/// Memories that are given back in one system call. Each such call interrupts all cores that the process runs on.
/// Memories that wait are given back at once when the pool is full.
const DECOMMIT_BATCH: usize = 64;

/// Mappings that an instance's slot can take: four for its memory (before, inside and after the initial image, and the
/// rest that is inaccessible), two for its stack and the guard page below.
const MAPPINGS_PER_INSTANCE: u32 = 6;

/// How a slot of the pool is made clean for its next instance.
///
/// All ways give the next instance the same fresh memory; they differ in what that costs, and one of them
/// ([`PagemapScan`](Self::PagemapScan)) keeps the promise only on systems where no page is ever swapped out or moved.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum MemoryReset {
    /// [`PagemapScan`](Self::PagemapScan) where the system can neither swap nor move the process's pages, otherwise
    /// [`Decommit`](Self::Decommit).
    #[default]
    Auto,
    /// Gives all pages back to the system. Idle slots hold no memory; each instance faults its pages in again.
    Decommit,
    /// Overwrites the first 2 MiB of a memory and gives the rest back. No page faults, but it writes as many bytes as
    /// the memory has, touched or not, and they stay resident in each slot that was ever used.
    Overwrite,
    /// Asks the kernel (Linux 6.7, `PAGEMAP_SCAN`) which pages were written, overwrites up to 512 KiB of those and
    /// gives the rest back. It is the fastest way for guests that touch little of their memory.
    ///
    /// wasmtime 48 asks only for dirty pages that are *present*. A dirty page is not present while it is swapped out,
    /// and neither is it during the moment in which the kernel moves it to another place, as memory compaction,
    /// balloons and NUMA balancing do. Such a page is not reset, and **the next instance of the same component in this
    /// slot can read what the last one left there**. Choose this way only where all instances of a component may see
    /// each other's data, for example on a machine that serves a single tenant, or for a measurement.
    ///
    /// Where the kernel does not support it, [`Decommit`](Self::Decommit) is used and a warning is recorded.
    PagemapScan,
}

/// How much of the pool is in use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PoolUsage {
    /// Component instances that the pool can hold.
    pub max_instances: u32,
    /// Component instances that live.
    pub component_instances: u64,
    /// Core instances that live; a component has one to several.
    pub core_instances: u64,
    /// Memories in use.
    pub memories: usize,
    /// Tables in use.
    pub tables: usize,
    /// Stacks in use.
    pub stacks: usize,
    /// Memories that were used before and wait for an instance of the same component.
    pub unused_warm_memories: u32,
    /// Bytes that stay resident in memories and tables that nobody uses.
    pub unused_bytes_resident: usize,
}

#[cfg(feature = "wasip3")]
impl PoolUsage {
    /// The sum of this pool and another one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            max_instances: self.max_instances.saturating_add(other.max_instances),
            component_instances: self.component_instances + other.component_instances,
            core_instances: self.core_instances + other.core_instances,
            memories: self.memories + other.memories,
            tables: self.tables + other.tables,
            stacks: self.stacks + other.stacks,
            unused_warm_memories: self.unused_warm_memories + other.unused_warm_memories,
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
    /// An engine with the largest pool that the system allows up to these settings, and what that pool is. The error
    /// is that of the smallest one.
    pub(super) fn build(self, config: &Config) -> wasmtime::Result<(Engine, Self)> {
        let mut instances = self.instances.min(system::instances_that_fit_the_mappings()).max(1);
        loop {
            let error = match self.build_exactly(config, instances) {
                Ok(built) => {
                    if built.1.instances < self.instances {
                        tracing::warn!(
                            asked = self.instances,
                            instances = built.1.instances,
                            "the system's limits allow a smaller pool of instances"
                        );
                    }
                    return Ok(built);
                }
                Err(error) => error,
            };
            if instances <= FEWEST_INSTANCES {
                return Err(error);
            }
            instances = (instances / 2).max(FEWEST_INSTANCES);
        }
    }

    fn build_exactly(self, config: &Config, instances: u32) -> wasmtime::Result<(Engine, Self)> {
        let reset = match self.reset {
            MemoryReset::Auto if system::pages_stay_in_place() => MemoryReset::PagemapScan,
            MemoryReset::Auto => MemoryReset::Decommit,
            reset => reset,
        };
        let settings = Self { instances, reset };
        let built = settings.engine(config);
        if built.is_ok() || reset != MemoryReset::PagemapScan {
            return Ok((built?, settings));
        }
        // What failed may be the scan or the size. If the same size works without the scan, it was the scan.
        let settings = Self { instances, reset: MemoryReset::Decommit };
        let engine = settings.engine(config)?;
        if self.reset == MemoryReset::PagemapScan {
            tracing::warn!("this system has no PAGEMAP_SCAN, so memory is given back to it after each instance");
        }
        Ok((engine, settings))
    }

    fn engine(self, config: &Config) -> wasmtime::Result<Engine> {
        let mut config = config.clone();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        Engine::new(&config)
    }

    /// Memories that are given back together.
    fn batch(self) -> usize {
        match self.reset {
            MemoryReset::PagemapScan | MemoryReset::Overwrite => 1,
            MemoryReset::Auto | MemoryReset::Decommit => DECOMMIT_BATCH,
        }
    }

    /// What the engine's pool, which has these settings, keeps of instances that have ended.
    pub(super) fn unused_memory(self, engine: &Engine) -> Option<UnusedMemory> {
        (self.batch() > 1).then(|| UnusedMemory::new(engine, self.batch()))
    }

    fn pool(self) -> PoolingAllocationConfig {
        let instances = self.instances;
        let (resident, scan) = match self.reset {
            MemoryReset::PagemapScan => (SCANNED_RESIDENT, Enabled::Yes),
            MemoryReset::Overwrite => (OVERWRITTEN_RESIDENT, Enabled::No),
            MemoryReset::Auto | MemoryReset::Decommit => (0, Enabled::No),
        };
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
            .decommit_batch_size(self.batch())
            .pagemap_scan(scan);
        pool
    }

    /// How much of the engine's pool, which has these settings, is in use.
    pub(super) fn usage(self, engine: &Engine) -> Option<PoolUsage> {
        let metrics = engine.pooling_allocator_metrics()?;
        Some(PoolUsage {
            max_instances: self.instances,
            component_instances: metrics.component_instances(),
            core_instances: metrics.core_instances(),
            memories: metrics.memories(),
            tables: metrics.tables(),
            stacks: metrics.stacks(),
            unused_warm_memories: metrics.unused_warm_memories(),
            unused_bytes_resident: metrics.unused_memory_bytes_resident() + metrics.unused_table_bytes_resident(),
        })
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::path::{Path, PathBuf};

    use super::{FEWEST_INSTANCES, MAPPINGS_PER_INSTANCE};

    /// Half of the mappings that the kernel allows a process are the pool's, the others are for code and threads.
    pub(super) fn instances_that_fit_the_mappings() -> u32 {
        let mappings = read("/proc/sys/vm/max_map_count").and_then(|text| text.trim().parse::<u32>().ok());
        mappings.map_or(u32::MAX, |mappings| (mappings / 2 / MAPPINGS_PER_INSTANCE).max(FEWEST_INSTANCES))
    }

    /// Whether every page that this process has written is present whenever it is looked for. What cannot be found
    /// out is taken for a no. Swap that is added later is not noticed.
    pub(super) fn pages_stay_in_place() -> bool {
        let swaps = read("/proc/swaps").is_none_or(|text| names_swap(&text)) && !control_group_forbids_swap();
        // The counter is there if the kernel was built to move pages at all. It cannot be told not to.
        let moves = read("/proc/vmstat").is_none_or(|text| text.contains("pgmigrate_success"));
        !swaps && !moves
    }

    /// The first line of `/proc/swaps` is a heading.
    fn names_swap(swaps: &str) -> bool {
        swaps.lines().skip(1).any(|line| !line.trim().is_empty())
    }

    fn control_group_forbids_swap() -> bool {
        let Some(groups) = read("/proc/self/cgroup") else { return false };
        let Some(group) = unified_group(&groups) else { return false };
        // A group's limit holds for all below it.
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().any(|root| {
            let mut path = PathBuf::from(root);
            std::iter::once(None).chain(group.iter().map(Some)).any(|part| {
                path.extend(part);
                read(path.join("memory.swap.max")).is_some_and(|limit| limit.trim() == "0")
            })
        })
    }

    /// The process's group of the second version, as path below the root of the hierarchy.
    fn unified_group(groups: &str) -> Option<&Path> {
        groups.lines().find_map(|line| line.strip_prefix("0::/")).map(Path::new)
    }

    fn read(path: impl AsRef<Path>) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn swap_is_what_stands_below_the_heading() {
            let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
            assert!(!names_swap(heading));
            assert!(!names_swap(""));
            assert!(names_swap(&format!("{heading}/dev/zram0 partition\t8388604\t0\t100\n")));
        }

        #[test]
        fn the_group_of_the_second_version_is_found_among_others() {
            assert_eq!(unified_group("0::/\n"), Some(Path::new("")));
            assert_eq!(unified_group("4:memory:/a\n0::/b/c\n"), Some(Path::new("b/c")));
            assert_eq!(unified_group("4:memory:/a\n"), None);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn instances_that_fit_the_mappings() -> u32 {
        u32::MAX
    }

    /// Only Linux has the scan.
    pub(super) fn pages_stay_in_place() -> bool {
        false
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
        assert_ne!(build(3, MemoryReset::Auto).1.reset, MemoryReset::Auto);
    }

    #[test]
    fn a_pool_that_no_system_can_hold_is_made_smaller() {
        let (_, pool) = build(u32::MAX, MemoryReset::Decommit);
        assert!((FEWEST_INSTANCES..100_000).contains(&pool.instances), "{pool:?}");
    }
}
