//! From bytes to a compiled component, or to the reason why not.
//!
//! It decides where the code comes from: from memory, from the cache on disk, or from the compiler. How the code is kept
//! is for [`super::loaded`] and [`super::code_cache`] to know.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use washlib_component::InvalidError;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::Engine;
use super::code_cache::{self, CodeCache, EntryKey, TrustedCode};
use super::digest::{ComponentDigest, DigestMemo};
use super::initial_data::copy_little_data;
use super::loaded::{ApartModule, Code, Found, LoadedComponent, LoadedComponents};
use super::split::{self, Skeleton};
use super::{Builds, Ctx};

/// The first eight bytes of a core module: magic and version.
const MODULE_PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";

const MAGIC: &[u8] = b"\0asm";

/// Why bytes could not be compiled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The bytes do not start like WebAssembly.
    #[error("not a WebAssembly binary")]
    NotWasm,
    /// The bytes are a core module.
    #[error("a core module, not a component")]
    CoreModule,
    /// The bytes start like a component, but break the format's rules or use a feature that the engine lacks.
    #[error("not a valid component")]
    Invalid(#[source] Box<dyn Error + Send + Sync>),
    /// The bytes may be a component, but one that would take the host's stack, memory or time to compile: nested too
    /// deep, or made of too many parts.
    #[error("too complex to be compiled")]
    TooComplex(#[source] Box<dyn Error + Send + Sync>),
    /// The code was compiled, but the system does not let it be executed.
    #[error("cannot load the compiled code")]
    Load(#[source] Box<dyn Error + Send + Sync>),
    /// The compiler itself gave up; the bytes may be valid.
    #[error("the compiler crashed")]
    Crashed,
}

/// Where a component's code came from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CodeOrigin {
    /// It was in use already.
    Memory,
    /// It was in the engine's [`CodeCache`].
    Cache,
    /// It was compiled.
    Compiled,
}

/// A component as machine code, ready to be linked and started by a host on the same engine.
///
/// Clones are cheap. While one of them lives, loading the same component again gives another clone; so whoever uses a
/// component for longer keeps this value, not only what was linked from it.
#[derive(Clone)]
pub struct CompiledComponent {
    loaded: Arc<LoadedComponent>,
}

/// Where an engine finds code before it compiles.
pub(super) struct CodeSources {
    pub(super) cache: Option<CodeCache>,
    /// A digest of what shapes the code besides the component.
    compatibility: [u8; 32],
    builds: Builds,
    loaded: Arc<LoadedComponents>,
    pub(super) digests: Arc<DigestMemo>,
}

impl CodeSources {
    pub(super) fn new(engine: &wasmtime::Engine, cache: Option<CodeCache>, builds: Builds) -> Self {
        let compatibility = code_cache::compatibility(engine);
        Self { cache, compatibility, builds, loaded: Arc::default(), digests: Arc::default() }
    }

    /// The same cache for another engine.
    pub(super) fn for_engine(&self, engine: &wasmtime::Engine) -> Self {
        Self { digests: Arc::clone(&self.digests), ..Self::new(engine, self.cache.clone(), self.builds) }
    }
}

impl Engine {
    /// Validates and compiles a component, or takes its code from memory or from the cache.
    ///
    /// This computes for tens of milliseconds to seconds: call it from a thread that may block.
    ///
    /// # Errors
    /// [`CompileError`] where the bytes are not a valid component.
    pub fn compile(&self, bytes: &[u8]) -> Result<CompiledComponent, CompileError> {
        check_preamble(bytes)?;
        Ok(self.for_component(bytes)?.load_or_compile(bytes, ComponentDigest::of(bytes))?.0)
    }

    /// The same for bytes that may come again: those that are in use elsewhere are digested once. Says where the code
    /// came from.
    ///
    /// # Errors
    /// [`CompileError`] where the bytes are not a valid component.
    pub fn load(&self, bytes: &Bytes) -> Result<(CompiledComponent, CodeOrigin), CompileError> {
        check_preamble(bytes)?;
        self.for_component(bytes)?.load_or_compile(bytes, self.digest(bytes))
    }

    /// What the component runs on.
    fn for_component(&self, bytes: &[u8]) -> Result<Self, CompileError> {
        self.for_components([bytes]).map_err(|err| CompileError::Load(err.into()))
    }

    /// The digest of a component's bytes, remembered while somebody else holds them too.
    pub fn digest(&self, bytes: &Bytes) -> ComponentDigest {
        self.code.digests.digest(bytes)
    }

    /// The code of a component whose bytes are not at hand: from memory or from the cache, `None` if it is in neither.
    ///
    /// This reads files: call it from a thread that may block.
    pub fn load_compiled(&self, digest: ComponentDigest) -> Option<(CompiledComponent, CodeOrigin)> {
        self.load_own(digest).or_else(|| self.that_knows(digest)?.load_own(digest))
    }

    /// Whether code of a component is at hand, in memory or in the cache. It may turn out to be damaged.
    pub(super) fn knows(&self, digest: ComponentDigest) -> bool {
        let is_cached = |cache: &CodeCache| cache.contains(&self.entry_key(&digest));
        self.code.loaded.contains(&digest) || self.code.cache.as_ref().is_some_and(is_cached)
    }

    fn load_own(&self, digest: ComponentDigest) -> Option<(CompiledComponent, CodeOrigin)> {
        let found = self.code.loaded.get_or_load(digest, || match &self.code.cache {
            Some(cache) => cache.load(self.inner(), &self.entry_key(&digest)).map(|found| (found, ())).ok_or(()),
            None => Err(()),
        });
        Some(match found.ok()? {
            Found::Here(loaded) => (self.still_used(loaded), CodeOrigin::Memory),
            Found::Loaded(loaded, ()) => (CompiledComponent { loaded }, CodeOrigin::Cache),
        })
    }

    fn load_or_compile(
        &self,
        bytes: &[u8],
        digest: ComponentDigest,
    ) -> Result<(CompiledComponent, CodeOrigin), CompileError> {
        Ok(match self.code.loaded.get_or_load(digest, || self.taken_apart_or_whole(bytes, digest))? {
            Found::Here(loaded) => (self.still_used(loaded), CodeOrigin::Memory),
            Found::Loaded(loaded, origin) => (CompiledComponent { loaded }, origin),
        })
    }

    fn taken_apart_or_whole(&self, bytes: &[u8], digest: ComponentDigest) -> Result<(Code, CodeOrigin), CompileError> {
        if self.code.builds == Builds::Successive
            && let Some(skeleton) = split::split(bytes)
        {
            match self.compile_apart(skeleton) {
                Ok(code) => return Ok((code, CodeOrigin::Compiled)),
                // Whatever it was, the whole component decides whether it is one.
                Err(err) => tracing::debug!("a component is compiled as a whole: {err:#}"),
            }
        }
        let (component, origin) = self.cached_or_compiled(bytes, digest)?;
        Ok((component.into(), origin))
    }

    /// Compiles each core module apart, where that has not been done already, and then the rest.
    fn compile_apart(&self, skeleton: Skeleton) -> wasmtime::Result<Code> {
        let mut modules = Vec::new();
        for (import, bytes) in skeleton.modules {
            let wrapper = split::wrapper(&bytes);
            let digest = ComponentDigest::of(&wrapper);
            let found = self.code.loaded.get_or_load(digest, || self.cached_or_compiled(&wrapper, digest))?;
            let (Found::Here(holder) | Found::Loaded(holder, _)) = found;
            // An instance of a component that runs nothing hands out the module in it.
            let mut store = Store::new(self.inner(), ());
            let instance = Linker::new(self.inner()).instantiate(&mut store, &holder.component)?;
            let module = instance.get_module(&mut store, split::WRAPPED);
            let module = module.ok_or_else(|| wasmtime::format_err!("a wrapped module cannot be found"))?;
            modules.push(ApartModule { import, module, _holder: holder });
        }
        let component = Component::from_binary(self.inner(), &skeleton.component)?;
        Ok(Code { component, modules })
    }

    fn cached_or_compiled(
        &self,
        bytes: &[u8],
        digest: ComponentDigest,
    ) -> Result<(Component, CodeOrigin), CompileError> {
        let Some(cache) = &self.code.cache else {
            check_bounds(bytes)?;
            let component = self.compiled(bytes, |bytes| Component::from_binary(self.inner(), bytes))?;
            return Ok((component, CodeOrigin::Compiled));
        };
        let key = self.entry_key(&digest);
        if let Some(component) = cache.load(self.inner(), &key) {
            return Ok((component, CodeOrigin::Cache));
        }
        check_bounds(bytes)?;
        let code = self.compiled(bytes, |bytes| TrustedCode::compile(self.inner(), bytes))?;
        // Code that is mapped from its file takes memory that the system can take back and that processes share.
        let component = match cache.store(self.inner(), &key, (digest, bytes.len()), &code) {
            Some(component) => component,
            None => code.load(self.inner()).map_err(|err| CompileError::Load(err.into()))?,
        };
        Ok((component, CodeOrigin::Compiled))
    }

    /// The component as it is compiled. What is wrong with one is said of the bytes as they came.
    fn compiled<T>(&self, bytes: &[u8], compile: impl Fn(&[u8]) -> wasmtime::Result<T>) -> Result<T, CompileError> {
        // Slots have all data copied.
        if !self.uses_slots()
            && let Cow::Owned(changed) = copy_little_data(bytes)
            && let Ok(code) = compile(&changed)
        {
            return Ok(code);
        }
        compile(bytes).map_err(invalid)
    }

    fn entry_key(&self, digest: &ComponentDigest) -> EntryKey {
        EntryKey::new(digest, &self.code.compatibility)
    }

    /// Tells the cache that a component is still wanted; otherwise the oldest would be evicted that run all the time.
    fn still_used(&self, loaded: Arc<LoadedComponent>) -> CompiledComponent {
        if let Some(cache) = self.code.cache.as_ref().filter(|_| loaded.is_due_for_touch()) {
            cache.touch(&self.entry_key(&loaded.digest));
        }
        CompiledComponent { loaded }
    }
}

fn check_preamble(bytes: &[u8]) -> Result<(), CompileError> {
    if !bytes.starts_with(MAGIC) {
        return Err(CompileError::NotWasm);
    }
    if bytes.starts_with(MODULE_PREAMBLE) {
        return Err(CompileError::CoreModule);
    }
    Ok(())
}

/// The compiler trusts that somebody has looked: it recurses and grows as the bytes ask.
fn check_bounds(bytes: &[u8]) -> Result<(), CompileError> {
    washlib_component::check_bounds(bytes).map_err(|err| match err {
        InvalidError::Excessive { .. } => CompileError::TooComplex(err.into()),
        err => CompileError::Invalid(err.into()),
    })
}

fn invalid(err: wasmtime::Error) -> CompileError {
    CompileError::Invalid(err.into())
}

impl CompiledComponent {
    /// Names of what the component imports, in its own order.
    pub fn imports(&self) -> Vec<String> {
        names(self.inner().component_type().imports(self.inner().engine()).map(|(name, item)| (name, item.ty)))
    }

    /// Names of what the component exports, in its own order.
    pub fn exports(&self) -> Vec<String> {
        names(self.inner().component_type().exports(self.inner().engine()).map(|(name, item)| (name, item.ty)))
    }

    /// The digest of the bytes that it was compiled from.
    pub fn digest(&self) -> ComponentDigest {
        self.loaded.digest
    }

    /// Whether it imports or exports an interface of WASI 0.3.
    pub(crate) fn is_wasip3(&self) -> bool {
        let names = self.imports().into_iter().chain(self.exports());
        cfg!(feature = "wasip3") && names.into_iter().any(|name| is_of_wasi_0_3(&name))
    }

    pub(crate) fn inner(&self) -> &Component {
        &self.loaded.component
    }

    /// The core modules that were compiled apart.
    #[cfg(test)]
    pub(super) fn modules(&self) -> &[ApartModule] {
        &self.loaded.modules
    }

    /// Gives the component the core modules that were compiled apart from it.
    pub(crate) fn add_modules(&self, linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        for apart in &self.loaded.modules {
            linker.root().module(&apart.import, &apart.module)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledComponent").field("digest", &self.loaded.digest).finish_non_exhaustive()
    }
}

/// Whether a name of an import or export makes its component one of WASI 0.3. The host's own interface of that
/// generation is asynchronous too.
pub(super) fn is_of_wasi_0_3(name: &str) -> bool {
    (name.starts_with("wasi:") || name.starts_with("wasmcloud:messaging/")) && name.contains("@0.3")
}

/// Types that a world names at its top level carry no behaviour, so nobody needs to provide or call them. Core modules
/// were compiled apart.
fn names<'a>(items: impl Iterator<Item = (&'a str, ComponentItem)>) -> Vec<String> {
    items
        .filter(|(_, item)| !matches!(item, ComponentItem::Type(_) | ComponentItem::Module(_)))
        .map(|(name, _)| name.to_string())
        .collect()
}
