//! The engine for WASI 0.3: components whose functions are asynchronous, with streams and futures.
//!
//! It is a second engine, because what such components need costs every call of the others. Nothing of it exists, in
//! memory or in threads, until a workload has a component of WASI 0.3; all components of that workload then run here,
//! those of WASI 0.2 too.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;

use super::ctx::{self, Ctx};
use super::{Engine, EngineBuilder, EngineError, PoolUsage, configuration, sockets, start_clock};

mod files;
mod headers;
mod recognise;
pub(super) mod siblings;

use recognise::is_wasip3;

/// The engine for WASI 0.3, once it is needed.
pub(super) struct Concurrent {
    builder: EngineBuilder,
    engine: Mutex<Option<Engine>>,
}

impl Concurrent {
    pub(super) fn new(builder: EngineBuilder) -> Self {
        Self { builder, engine: Mutex::default() }
    }

    fn existing(&self) -> Option<Engine> {
        // The lock is held for one step only, so what a poisoned one guards is still whole.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get_or_build(&self, base: &Engine) -> Result<Engine, EngineError> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        Ok(engine.insert(self.build(base)?).clone())
    }

    /// Shares with the first engine what is no part of wasmtime's: the budget of memory, threads, trust, the cache.
    fn build(&self, base: &Engine) -> Result<Engine, EngineError> {
        let mut config = configuration(self.builder.builds);
        config.concurrency_support(true).wasm_component_model_async(true);
        let (inner, pool) = self.builder.build_engine(config).map_err(|err| EngineError::Configuration(err.into()))?;
        let linker = linker(&inner).map_err(|err| EngineError::Link(err.into()))?;
        let code = base.code.for_engine(&inner);
        start_clock(&inner, Arc::clone(&code.digests)).map_err(EngineError::Clock)?;
        let unused_memory = pool.and_then(|pool| pool.unused_memory(&inner)).map(Arc::new);
        let (linker, code) = (Arc::new(linker), Arc::new(code));
        Ok(Engine { inner, linker, pool, unused_memory, code, wasip3: None, ..base.clone() })
    }
}

impl Engine {
    /// The engine that components run on which belong together: the one for WASI 0.3 if any of them is of that version.
    ///
    /// The first such call takes a few milliseconds, for the address space of a second pool.
    pub(crate) fn for_components<'a>(&self, bytes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, EngineError> {
        match &self.wasip3 {
            Some(concurrent) if bytes.into_iter().any(is_wasip3) => concurrent.get_or_build(self),
            _ => Ok(self.clone()),
        }
    }

    /// The engine for WASI 0.3, if it may know code whose component is not at hand.
    pub(super) fn for_cached(&self) -> Option<Self> {
        let concurrent = self.wasip3.as_ref()?;
        match concurrent.existing() {
            // Which code the cache has for it, only an engine can tell.
            None if self.code.cache.is_some() => concurrent.get_or_build(self).ok(),
            existing => existing,
        }
    }

    /// Whether this is the engine for WASI 0.3.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.wasip3.is_none()
    }

    /// What is in use of this engine's pool and of that for WASI 0.3.
    pub(crate) fn total_pool_usage(&self) -> Option<PoolUsage> {
        let own = self.pool_usage()?;
        let other = self.wasip3.as_ref().and_then(|concurrent| concurrent.existing()?.pool_usage());
        Some(match other {
            Some(other) => own.and(other),
            None => own,
        })
    }
}

/// WASI 0.3 beside WASI 0.2, under the same rules.
fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = ctx::linker(engine)?;
    wasmtime_wasi::p3::cli::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::clocks::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::filesystem::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::random::add_to_linker(&mut linker)?;
    sockets::wasip3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    files::limit(&mut linker)?;
    headers::limit(&mut linker)?;
    Ok(linker)
}
