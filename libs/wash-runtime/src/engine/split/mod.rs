//! A component taken apart, so that what changes between two builds of it is compiled apart from what does not.
//!
//! Most of a component's code is often the same in its next build: a JavaScript engine beside a script, or the standard
//! adapters. A compiler sees one component, though, and compiles all of it. Here its core modules leave it and are
//! imported instead, and their data and their variables leave the modules: what a script's change has changed are they
//! alone. Each module is then a component of its own to the compiler and to its cache.
//!
//! What comes out does the same as what went in. Whatever is not understood for certain stays as it is.

mod component;
mod module;

pub(super) use component::{Skeleton, wrapper};

/// Under which name a wrapper exports its module.
pub(super) const WRAPPED: &str = "module";

/// Takes a component apart; `None` where it stays as it is.
pub(super) fn split(component: &[u8]) -> Option<Skeleton> {
    component::split(component).ok().flatten().filter(|skeleton| !skeleton.modules.is_empty())
}

/// The bytes cannot be read, or written anew: the compiler will say what is wrong with them.
#[derive(Debug)]
pub(super) struct Unreadable;

impl From<wasmparser::BinaryReaderError> for Unreadable {
    fn from(_: wasmparser::BinaryReaderError) -> Self {
        Self
    }
}

impl<E> From<wasm_encoder::reencode::Error<E>> for Unreadable {
    fn from(_: wasm_encoder::reencode::Error<E>) -> Self {
        Self
    }
}

/// A section of a module or a component.
pub(super) struct Section<'a> {
    pub(super) id: u8,
    /// Where its content begins.
    pub(super) offset: usize,
    pub(super) content: &'a [u8],
}

/// The sections of the outermost level.
pub(super) fn sections(binary: &[u8]) -> Result<Vec<Section<'_>>, Unreadable> {
    const PREAMBLE: usize = 8;
    let mut sections = Vec::new();
    let mut reader = wasmparser::BinaryReader::new(binary.get(PREAMBLE..).ok_or(Unreadable)?, PREAMBLE);
    while !reader.eof() {
        let id = reader.read_u8()?;
        let length = usize::try_from(reader.read_var_u32()?).map_err(|_| Unreadable)?;
        let offset = reader.original_position();
        sections.push(Section { id, offset, content: reader.read_bytes(length)? });
    }
    Ok(sections)
}

impl Section<'_> {
    pub(super) fn reader(&self) -> wasmparser::BinaryReader<'_> {
        wasmparser::BinaryReader::new(self.content, self.offset)
    }
}

#[cfg(test)]
mod tests;
