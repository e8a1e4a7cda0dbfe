//! Engines beside the first one, for components that it does not fit.
//!
//! The first engine runs most components: those of WASI 0.2 with few initial data. What others need costs every call or
//! every instance of those, so others have engines of their own. Nothing of such an engine exists, in memory or in
//! threads, until a workload has a component for it; all components of that workload then run there.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::code_cache::{EntryKey, compatibility};
use super::{ComponentDigest, Engine, EngineBuilder, EngineError, PoolUsage, configuration, slots, start_clock};

/// What an engine is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Variant {
    /// WASI 0.3: functions that are asynchronous, streams and futures.
    pub(super) is_concurrent: bool,
    /// Components that [`slots`] are not for.
    pub(super) is_large: bool,
}

impl Variant {
    const ALL: [Self; 4] = [
        Self { is_concurrent: false, is_large: false },
        Self { is_concurrent: false, is_large: true },
        Self { is_concurrent: true, is_large: false },
        Self { is_concurrent: true, is_large: true },
    ];

    fn of(component: &[u8]) -> Self {
        Self { is_concurrent: is_concurrent(component), is_large: !slots::is_for(component) }
    }

    /// What fits both.
    fn and(self, other: Self) -> Self {
        Self { is_concurrent: self.is_concurrent || other.is_concurrent, is_large: self.is_large || other.is_large }
    }
}

#[cfg(feature = "wasip3")]
fn is_concurrent(component: &[u8]) -> bool {
    super::wasip3::is_wasip3(component)
}

#[cfg(not(feature = "wasip3"))]
fn is_concurrent(_: &[u8]) -> bool {
    false
}

/// The engines that the first one knows, itself excepted.
pub(super) struct Variants {
    builder: EngineBuilder,
    made: Mutex<Vec<Engine>>,
    /// Held by who makes one, which takes longer than others should wait for what is there.
    making: Mutex<()>,
    /// In the order of [`Variant::ALL`].
    compatibilities: [OnceLock<Option<[u8; 32]>>; 4],
}

impl Variants {
    pub(super) fn new(builder: EngineBuilder) -> Self {
        Self { builder, made: Mutex::default(), making: Mutex::default(), compatibilities: Default::default() }
    }

    /// Those that exist.
    fn made(&self) -> Vec<Engine> {
        // The lock is held for one step only, so what a poisoned one guards is still whole.
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get_or_build(&self, base: &Engine, variant: Variant) -> Result<Engine, EngineError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = self.made().into_iter().find(|engine| engine.variant == variant) {
            return Ok(engine);
        }
        // It shares with the first engine what is no part of wasmtime's: the budget of memory, threads, trust, the cache.
        let core = self.builder.core(variant)?;
        let code = base.code.for_engine(&core.inner);
        start_clock(&core.inner, Arc::clone(&code.digests)).map_err(EngineError::Clock)?;
        let engine = Engine {
            inner: core.inner,
            linker: Arc::new(core.linker),
            allocation: core.allocation,
            code: Arc::new(code),
            variant,
            variants: None,
            ..base.clone()
        };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(engine.clone());
        Ok(engine)
    }

    /// What the code of a variant is known by; `None` where the system lacks what it needs.
    fn compatibility(&self, base: &Engine, index: usize, variant: Variant) -> Option<[u8; 32]> {
        *self.compatibilities.get(index)?.get_or_init(|| {
            let mut config = configuration(self.builder.builds, variant);
            // Code does not depend on where instances live, but on how they get their data.
            config.memory_init_cow(variant.is_large || !base.uses_slots());
            wasmtime::Engine::new(&config).ok().map(|engine| compatibility(&engine))
        })
    }
}

impl Engine {
    /// The engine that components run on which belong together: one that fits them all.
    ///
    /// The first such call for others than the first engine's takes some milliseconds, for address space.
    pub(crate) fn for_components<'a>(&self, bytes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, EngineError> {
        let Some(variants) = &self.variants else { return Ok(self.clone()) };
        let mut variant = bytes.into_iter().map(Variant::of).fold(Variant::default(), Variant::and);
        // Without slots, the first engine is for large components too.
        variant.is_large &= self.uses_slots();
        if variant == self.variant { Ok(self.clone()) } else { variants.get_or_build(self, variant) }
    }

    /// The other engine whose code for a component is at hand, in memory or in the cache.
    pub(super) fn that_knows(&self, digest: ComponentDigest) -> Option<Self> {
        let variants = self.variants.as_ref()?;
        let made = variants.made();
        if let Some(engine) = made.iter().find(|engine| engine.knows(digest)) {
            return Some(engine.clone());
        }
        let cache = self.code.cache.as_ref()?;
        let has_code = |(index, variant): (usize, Variant)| {
            let compatibility = variants.compatibility(self, index, variant)?;
            cache.contains(&EntryKey::new(&digest, &compatibility)).then_some(variant)
        };
        let missing = Variant::ALL.into_iter().enumerate();
        let missing = missing.filter(|(_, variant)| {
            let has_use = !variant.is_large || self.uses_slots();
            has_use && *variant != self.variant && !made.iter().any(|engine| engine.variant == *variant)
        });
        variants.get_or_build(self, missing.filter_map(has_code).next()?).ok()
    }

    /// Whether this is an engine for WASI 0.3.
    #[cfg(feature = "wasip3")]
    pub(crate) fn is_concurrent(&self) -> bool {
        self.variant.is_concurrent
    }

    /// What is in use of all engines' places for instances. `None` if instances are mapped one by one.
    pub(crate) fn total_pool_usage(&self) -> Option<PoolUsage> {
        let others = self.variants.iter().flat_map(|variants| variants.made());
        let usages = others.filter_map(|engine| engine.pool_usage());
        Some(usages.fold(self.pool_usage()?, PoolUsage::and))
    }
}
