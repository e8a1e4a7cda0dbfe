//! The WebAssembly engine: how guests are compiled, where their memory comes from, and how they share the processor.
//!
//! It runs no workload; [`crate::host`] does.

use std::error::Error;
use std::sync::Arc;
use std::{io, thread, time::Duration};

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

mod admission;
mod allowed_hosts;
mod compile;
mod compute;
pub mod ctx;
mod interfaces;
pub(crate) mod linked;
mod memory;
mod outgoing;
pub(crate) mod schedule;
pub(crate) mod siblings;
pub mod workload;

pub(crate) use admission::Admission;
pub(crate) use allowed_hosts::AllowedHosts;
pub use allowed_hosts::InvalidAllowedHost;
pub use compile::{CompileError, CompiledComponent};
use compute::Compute;
pub use ctx::Ctx;
pub(crate) use ctx::new_store;
pub(crate) use interfaces::{is_provided, is_wasi_0_2, provides_interface};
pub(crate) use linked::Role;
use memory::MemoryBudget;
pub use workload::UnresolvedWorkload;

/// How long a guest may compute before it has to let others run.
const EPOCH: Duration = Duration::from_millis(10);

/// How long an invocation may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Component instances that may live at once in the pool.
const POOLED_INSTANCES: u32 = 2_000;

/// A component from a typical toolchain holds a main module, an adapter and two modules of glue.
const CORE_INSTANCES_PER_COMPONENT: u32 = 4;

const TABLES_PER_COMPONENT: u32 = 2;

/// Pointer-sized entries of one table; the largest language runtimes need tens of thousands.
const TABLE_ELEMENTS: usize = 100_000;

/// Why an engine could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The WebAssembly engine refused its configuration, or the system refused it memory.
    #[error("cannot configure the WebAssembly engine")]
    Configuration(#[source] Box<dyn Error + Send + Sync>),
    /// The interfaces that every component may import could not be put together.
    #[error("cannot link the host's interfaces")]
    Link(#[source] Box<dyn Error + Send + Sync>),
    /// The system refused the thread that makes guests share the processor.
    #[error("cannot start the engine's clock thread")]
    Clock(#[source] io::Error),
    /// The system refused the threads for guests that compute for long.
    #[error("cannot start the engine's threads")]
    Threads(#[source] io::Error),
}

/// Compiles components and holds what all their instances share. Clones are cheap and are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    linker: Arc<Linker<Ctx>>,
    memory: Arc<MemoryBudget>,
    compute: Arc<Compute>,
    call_timeout: Option<Duration>,
}

impl Engine {
    /// An engine with its defaults, to be adjusted and built.
    pub fn builder() -> EngineBuilder {
        EngineBuilder { pooling_allocator: true }
    }

    pub(crate) fn linker(&self) -> &Linker<Ctx> {
        &self.linker
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    pub(crate) fn memory_budget(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    /// Threads for guests that compute for long.
    pub(crate) fn compute(&self) -> &Compute {
        &self.compute
    }

    /// How long an invocation may take that says nothing of it itself.
    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Settings for an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    pooling_allocator: bool,
}

impl EngineBuilder {
    /// Whether instances come from memory that is reserved once (the default), or are mapped one by one.
    ///
    /// The pool reserves several TiB of address space, no memory. Where the system refuses that, the engine maps
    /// instances one by one and records a warning.
    #[must_use]
    pub fn with_pooling_allocator(mut self, enabled: bool) -> Self {
        self.pooling_allocator = enabled;
        self
    }

    /// Builds the engine and starts the thread that makes its guests share the processor. The thread ends with the
    /// last clone of the engine.
    ///
    /// # Errors
    /// [`EngineError`], found by `downcast_ref`.
    pub fn build(self) -> anyhow::Result<Engine> {
        Ok(self.try_build()?)
    }

    fn try_build(self) -> Result<Engine, EngineError> {
        let inner = if self.pooling_allocator {
            wasmtime::Engine::new(&pooled(configuration())).or_else(|err| {
                tracing::warn!("no address space for pooled instances, each is mapped on its own: {err:#}");
                wasmtime::Engine::new(&configuration())
            })
        } else {
            wasmtime::Engine::new(&configuration())
        }
        .map_err(|err| EngineError::Configuration(err.into()))?;
        let linker = ctx::linker(&inner).map_err(|err| EngineError::Link(err.into()))?;
        start_clock(&inner).map_err(EngineError::Clock)?;
        let memory = Arc::new(MemoryBudget::of_this_machine());
        let compute = Arc::new(Compute::start().map_err(EngineError::Threads)?);
        Ok(Engine { inner, linker: Arc::new(linker), memory, compute, call_timeout: Some(CALL_TIMEOUT) })
    }
}

fn configuration() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // WASI 0.2 components run one call at a time; without this every call from guest to host keeps task tables.
        .concurrency_support(false)
        .epoch_interruption(true);
    config
}

fn pooled(mut config: Config) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOLED_INSTANCES)
        .total_core_instances(POOLED_INSTANCES * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(POOLED_INSTANCES)
        .total_tables(POOLED_INSTANCES * TABLES_PER_COMPONENT)
        .total_stacks(POOLED_INSTANCES)
        .max_memories_per_module(16)
        .max_tables_per_module(16)
        .table_elements(TABLE_ELEMENTS)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Advances the engine's epoch until the engine is gone. It holds only a weak reference, so it never keeps it alive.
fn start_clock(engine: &wasmtime::Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("wash-epoch".to_string()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    })?;
    Ok(())
}
