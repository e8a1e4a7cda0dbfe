//! From bytes to a compiled component, or to the reason why not.
//!
//! It reads no file and keeps no cache.

use std::error::Error;

use thiserror::Error;
use wasmtime::component::types::ComponentItem;

use super::Engine;

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
    /// The compiler itself gave up; the bytes may be valid.
    #[error("the compiler crashed")]
    Crashed,
}

/// A component as machine code, ready to be linked and started by a host on the same engine.
#[derive(Clone)]
pub struct CompiledComponent {
    component: wasmtime::component::Component,
}

impl Engine {
    /// Validates and compiles a component.
    ///
    /// This computes for tens of milliseconds to seconds: call it from a thread that may block.
    ///
    /// # Errors
    /// [`CompileError`] where the bytes are not a valid component.
    pub fn compile(&self, bytes: &[u8]) -> Result<CompiledComponent, CompileError> {
        if !bytes.starts_with(MAGIC) {
            return Err(CompileError::NotWasm);
        }
        if bytes.starts_with(MODULE_PREAMBLE) {
            return Err(CompileError::CoreModule);
        }
        let component = wasmtime::component::Component::from_binary(self.inner(), bytes)
            .map_err(|err| CompileError::Invalid(err.into()))?;
        Ok(CompiledComponent { component })
    }
}

impl CompiledComponent {
    /// Names of what the component imports, in its own order.
    pub fn imports(&self) -> Vec<String> {
        names(self.component.component_type().imports(self.component.engine()).map(|(name, item)| (name, item.ty)))
    }

    /// Names of what the component exports, in its own order.
    pub fn exports(&self) -> Vec<String> {
        names(self.component.component_type().exports(self.component.engine()).map(|(name, item)| (name, item.ty)))
    }

    pub(crate) fn inner(&self) -> &wasmtime::component::Component {
        &self.component
    }
}

impl std::fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledComponent").finish_non_exhaustive()
    }
}

/// Types that a world names at its top level carry no behaviour, so nobody needs to provide or call them.
fn names<'a>(items: impl Iterator<Item = (&'a str, ComponentItem)>) -> Vec<String> {
    items.filter(|(_, item)| !matches!(item, ComponentItem::Type(_))).map(|(name, _)| name.to_string()).collect()
}
