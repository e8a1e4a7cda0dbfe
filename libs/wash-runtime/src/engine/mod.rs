//! The WebAssembly engine: how guests are compiled, where their memory comes from, and how they share the processor.
//!
//! It runs no workload; [`crate::host`] does.

use std::error::Error;
use std::sync::Arc;
use std::{io, thread, time::Duration};

use rustls::ClientConfig;
use rustls_pki_types::TrustAnchor;
use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, OptLevel, PoolConcurrencyLimitError};

mod admission;
mod allowed_hosts;
pub mod code_cache;
mod compile;
mod compute;
pub mod ctx;
mod digest;
mod files;
mod headers;
mod initial_data;
mod interfaces;
pub(crate) mod lineage;
pub(crate) mod linked;
mod loaded;
mod memory;
pub(crate) mod outgoing;
mod pool;
pub(crate) mod schedule;
pub(crate) mod scratch;
pub(crate) mod service_calls;
mod sibling_types;
pub(crate) mod siblings;
mod slots;
pub(crate) mod sockets;
mod special_addresses;
mod split;
mod unused_memory;
mod variants;
#[cfg(feature = "wasip3")]
mod wasip3;
pub mod workload;

pub(crate) use admission::{Admission, Busy};
pub(crate) use allowed_hosts::AllowedHosts;
pub use allowed_hosts::{AllowedHostProblem, InvalidAllowedHost, check_allowed_hosts};
pub use code_cache::CodeCache;
use compile::CodeSources;
pub use compile::{CodeOrigin, CompileError, CompiledComponent};
use compute::Compute;
pub use ctx::Ctx;
pub(crate) use ctx::new_store;
pub use digest::ComponentDigest;
use digest::DigestMemo;
pub(crate) use interfaces::{is_provided, is_supported_wasi, provides_interface};
pub(crate) use linked::Role;
use memory::{BudgetShare, MemoryBudget};
pub use outgoing::{LoopbackEgress, OutgoingLimits, RootCertificateError, TrustRoots};
use pool::PoolSettings;
pub use pool::{MemoryReset, PoolUsage};
use slots::{NO_MEMORY, NoPlace, Slots};
pub use sockets::is_lookup_name;
use unused_memory::UnusedMemory;
use variants::{Variant, Variants};
pub use workload::UnresolvedWorkload;

/// How long a guest may compute before it has to let others run.
const EPOCH: Duration = Duration::from_millis(10);

/// How long an invocation may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Buffers of components are let go of within a second.
const EPOCHS_PER_SWEEP: u64 = 100;

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
    /// The crypto library lacks what TLS needs.
    #[error("cannot set up TLS for guests")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
}

/// Compiles components and holds what all their instances share. Clones are cheap and are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    linker: Arc<Linker<Ctx>>,
    memory: Arc<MemoryBudget>,
    compute: Arc<Compute>,
    call_timeout: Option<Duration>,
    /// Whom guests' encrypted connections trust.
    trust: Arc<ClientConfig>,
    allocation: Allocation,
    code: Arc<CodeSources>,
    variant: Variant,
    /// The other engines, where this is the first one.
    variants: Option<Arc<Variants>>,
}

/// Where an engine's instances live.
#[derive(Clone)]
enum Allocation {
    /// In memories and on stacks that are used again.
    Slots(Slots),
    /// In wasmtime's pool, which may keep memories of those that have ended.
    Pool(PoolSettings, Option<Arc<UnusedMemory>>),
    /// Each is mapped on its own.
    Mapped,
}

/// What is wasmtime's of an engine.
struct Core {
    inner: wasmtime::Engine,
    linker: Linker<Ctx>,
    allocation: Allocation,
    variant: Variant,
}

impl Engine {
    /// An engine with its defaults, to be adjusted and built.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            code_cache: None,
            pooling_allocator: true,
            trust_roots: TrustRoots::default(),
            extra_roots: Vec::new(),
            pool: PoolSettings { instances: pool::DEFAULT_INSTANCES, reset: MemoryReset::default() },
            builds: Builds::default(),
        }
    }

    /// How many of the places for instances are in use; `None` if instances are mapped one by one.
    pub fn pool_usage(&self) -> Option<PoolUsage> {
        match &self.allocation {
            Allocation::Slots(slots) => Some(slots.usage()),
            Allocation::Pool(pool, _) => pool.usage(&self.inner),
            Allocation::Mapped => None,
        }
    }

    /// How memories are made clean: the way that was chosen, never [`MemoryReset::Auto`]. `None` if instances are
    /// mapped one by one.
    pub fn memory_reset(&self) -> Option<MemoryReset> {
        match &self.allocation {
            Allocation::Slots(_) => Some(MemoryReset::PagemapScan),
            Allocation::Pool(pool, _) => Some(pool.reset),
            Allocation::Mapped => None,
        }
    }

    fn uses_slots(&self) -> bool {
        matches!(self.allocation, Allocation::Slots(_))
    }

    /// Whom guests' encrypted connections trust.
    pub(crate) fn trust(&self) -> &Arc<ClientConfig> {
        &self.trust
    }

    pub(crate) fn linker(&self) -> &Linker<Ctx> {
        &self.linker
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// What a store with one instance takes of what all have together.
    pub(crate) fn new_memory_share(&self) -> Result<Arc<BudgetShare>, NoPlace> {
        let (unused, place) = match &self.allocation {
            Allocation::Pool(_, unused) => (unused.clone(), None),
            Allocation::Slots(slots) => (None, Some(slots.take()?)),
            Allocation::Mapped => (None, None),
        };
        Ok(BudgetShare::new(Arc::clone(&self.memory), unused, place))
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
    code_cache: Option<CodeCache>,
    pooling_allocator: bool,
    trust_roots: TrustRoots,
    extra_roots: Vec<TrustAnchor<'static>>,
    pool: PoolSettings,
    builds: Builds,
}

/// How the next build of a component compares to the one before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Builds {
    /// It is another component: each is compiled as a whole, into the fastest code.
    #[default]
    Unrelated,
    /// It is mostly the same, and shall run soon: what has not changed is compiled once, and optimised less. For
    /// development.
    Successive,
}

impl EngineBuilder {
    /// How the next build of a component compares to the one before: by default they are unrelated.
    #[must_use]
    pub fn with_builds(mut self, builds: Builds) -> Self {
        self.builds = builds;
        self
    }

    /// Keeps compiled components on disk, for this process's next start and for others. Without it they are compiled
    /// in each process.
    #[must_use]
    pub fn with_code_cache(mut self, cache: CodeCache) -> Self {
        self.code_cache = Some(cache);
        self
    }

    /// Whether instances use memories one after another (the default), or each is mapped on its own.
    ///
    /// Memories are made when they are first needed, or come from wasmtime's pool, as [`MemoryReset`] says. The pool
    /// reserves several TiB of address space, no memory. Where the system refuses that, the engine maps instances one by
    /// one and records a warning.
    #[must_use]
    pub fn with_pooling_allocator(mut self, enabled: bool) -> Self {
        self.pooling_allocator = enabled;
        self
    }

    /// How many component instances may live at once: 2,000 unless set, at least 1. A typical component has one memory
    /// and takes one of these places.
    ///
    /// Each place reserves 4 GiB of address space and takes about six of the mappings that Linux allows a process
    /// (`vm.max_map_count`). Where the system allows less, there are fewer and a warning is recorded.
    ///
    /// Components of WASI 0.3, and those with much initial data, have as many places of their own, made when the first
    /// of them starts.
    #[must_use]
    pub fn with_max_instances(mut self, instances: u32) -> Self {
        self.pool.instances = instances.max(1);
        self
    }

    /// How a memory is made clean for its next instance.
    #[must_use]
    pub fn with_memory_reset(mut self, reset: MemoryReset) -> Self {
        self.pool.reset = reset;
        self
    }

    /// Which authorities guests' encrypted requests trust: by default those that browsers trust.
    #[must_use]
    pub fn with_trust_roots(mut self, roots: TrustRoots) -> Self {
        self.trust_roots = roots;
        self
    }

    /// Lets guests' encrypted requests trust these authorities, in the PEM format, besides the others.
    ///
    /// # Errors
    /// [`RootCertificateError`].
    pub fn with_extra_root_certificates(mut self, pem: impl AsRef<[u8]>) -> Result<Self, RootCertificateError> {
        self.extra_roots.extend(outgoing::roots::parse(pem.as_ref())?);
        Ok(self)
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
        let core = self.core(Variant::default())?;
        let code = CodeSources::new(&core.inner, self.code_cache.clone(), self.builds);
        start_clock(&core.inner, Arc::clone(&code.digests)).map_err(EngineError::Clock)?;
        let compute = Arc::new(Compute::start().map_err(EngineError::Threads)?);
        let trust = outgoing::roots::client_config(self.trust_roots, self.extra_roots.clone())
            .map_err(|err| EngineError::Tls(err.into()))?;
        Ok(Engine {
            inner: core.inner,
            linker: Arc::new(core.linker),
            memory: Arc::new(MemoryBudget::of_this_machine()),
            compute,
            call_timeout: Some(CALL_TIMEOUT),
            trust,
            allocation: core.allocation,
            code: Arc::new(code),
            variant: core.variant,
            variants: Some(Arc::new(Variants::new(self))),
        })
    }

    fn core(&self, variant: Variant) -> Result<Core, EngineError> {
        let built = self.build_engine(configuration(self.builds, variant), variant);
        let (inner, allocation) = built.map_err(|err| EngineError::Configuration(err.into()))?;
        let linker = linker(&inner, variant).map_err(|err| EngineError::Link(err.into()))?;
        Ok(Core { inner, linker, allocation, variant })
    }

    fn build_engine(&self, mut config: Config, variant: Variant) -> wasmtime::Result<(wasmtime::Engine, Allocation)> {
        if !self.pooling_allocator {
            return Ok((wasmtime::Engine::new(&config)?, Allocation::Mapped));
        }
        if !variant.is_large
            && let Some(slots) = self.pool.slots()
        {
            slots.configure(&mut config);
            return Ok((wasmtime::Engine::new(&config)?, Allocation::Slots(slots)));
        }
        match self.pool.build(&config) {
            Ok((engine, pool)) => {
                let unused = pool.unused_memory(&engine).map(Arc::new);
                Ok((engine, Allocation::Pool(pool, unused)))
            }
            Err(err) => {
                tracing::warn!("no address space for pooled instances, each is mapped on its own: {err:#}");
                Ok((wasmtime::Engine::new(&config)?, Allocation::Mapped))
            }
        }
    }
}

/// Whether it failed because as many instances live as may.
pub(crate) fn has_no_place(err: &wasmtime::Error) -> bool {
    err.is::<NoPlace>() || err.is::<PoolConcurrencyLimitError>() || err.root_cause().to_string() == NO_MEMORY
}

#[cfg(feature = "wasip3")]
fn linker(engine: &wasmtime::Engine, variant: Variant) -> wasmtime::Result<Linker<Ctx>> {
    if variant.is_concurrent { wasip3::linker(engine) } else { ctx::linker(engine) }
}

#[cfg(not(feature = "wasip3"))]
fn linker(engine: &wasmtime::Engine, _: Variant) -> wasmtime::Result<Linker<Ctx>> {
    ctx::linker(engine)
}

fn configuration(builds: Builds, variant: Variant) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // WASI 0.2 components run one call at a time; without this every call from guest to host keeps task tables.
        .concurrency_support(variant.is_concurrent)
        .epoch_interruption(true);
    #[cfg(feature = "wasip3")]
    config.wasm_component_model_async(variant.is_concurrent);
    if builds == Builds::Successive {
        config.cranelift_opt_level(OptLevel::None);
    }
    config
}

/// Advances the engine's epoch until the engine is gone, and lets go of buffers that nobody uses. It holds only a weak
/// reference, so it never keeps the engine alive.
fn start_clock(engine: &wasmtime::Engine, digests: Arc<DigestMemo>) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("wash-epoch".to_string()).spawn(move || {
        for tick in 0_u64.. {
            let Some(engine) = engine.upgrade() else { break };
            engine.increment_epoch();
            drop(engine);
            if tick % EPOCHS_PER_SWEEP == 0 {
                digests.sweep();
            }
            thread::sleep(EPOCH);
        }
    })?;
    Ok(())
}
