//! Bounds on a binary's shape: what a few kilobytes must not ask of a validator and a compiler.
//!
//! wasmparser and compilers recurse into types that are nested, keep a state per nested component, inline every
//! instantiation, and lay out memories and tables as they begin. Each of these can be asked for without end by a small
//! file. This reads the file once, in constant stack and without building anything; it does not judge whether the
//! file is valid.

mod contents;
mod instances;
mod types;

use std::fmt;

use wasmparser::{Chunk, Parser, Payload};

use crate::InvalidError;
use contents::Contents;
use instances::Scopes;

/// How deep components may be nested in one another, and how deep types: as deep as wasmparser lets one type refer to
/// others.
pub const MAX_NESTING: usize = 100;
/// How many core modules a binary may hold, and how many components: as many as wasmparser allows one component.
pub const MAX_PARTS: usize = 1_000;
/// How many instances a component may be made of, with all that its parts are made of in turn.
pub const MAX_INSTANCES: u64 = 10_000;
/// How many definitions (imports, aliases, functions, exports) all those instances may have together.
pub const MAX_DEFINITIONS: u64 = 1_000_000;
/// How many bytes memories and tables may begin with, beyond four times the size of the binary itself.
pub const MAX_EXTRA_CONTENTS: u64 = 128 << 20;

/// How many bytes a binary may have: as many as wasmparser allows a module inside a component.
pub const MAX_BYTES: u64 = 1 << 30;

/// What there is too much of in a binary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Excess {
    /// Components in components, beyond [`MAX_NESTING`].
    NestedComponents,
    /// Types in types, beyond [`MAX_NESTING`].
    NestedTypes,
    /// Core modules, beyond [`MAX_PARTS`].
    Modules,
    /// Components, beyond [`MAX_PARTS`].
    Components,
    /// Instances, beyond [`MAX_INSTANCES`].
    Instances,
    /// Definitions in instances, beyond [`MAX_DEFINITIONS`].
    Definitions,
    /// Instances of a component that comes from elsewhere, so that nobody can tell how many instances it is made of.
    UnknownComponent,
    /// Bytes that memories and tables begin with, beyond [`MAX_EXTRA_CONTENTS`].
    Contents,
    /// Bytes of the binary itself, beyond [`MAX_BYTES`].
    Bytes,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NestedComponents => write!(f, "components are nested more than {MAX_NESTING} deep"),
            Self::NestedTypes => write!(f, "types are nested more than {MAX_NESTING} deep"),
            Self::Modules => write!(f, "there are more than {MAX_PARTS} core modules"),
            Self::Components => write!(f, "there are more than {MAX_PARTS} components"),
            Self::Instances => write!(f, "it is made of more than {MAX_INSTANCES} instances"),
            Self::Definitions => write!(f, "its instances have more than {MAX_DEFINITIONS} definitions"),
            Self::UnknownComponent => f.write_str("it instantiates a component that is passed to it from outside"),
            Self::Contents => {
                let mebibytes = MAX_EXTRA_CONTENTS >> 20;
                write!(f, "memories and tables begin with {mebibytes} MiB more than the file accounts for")
            }
            Self::Bytes => write!(f, "the file is larger than {} MiB", MAX_BYTES >> 20),
        }
    }
}

/// Checks that a binary of this length may be read into memory.
///
/// # Errors
///
/// [`InvalidError::Excessive`] beyond [`MAX_BYTES`].
pub fn check_length(length: u64) -> Result<(), InvalidError> {
    let offset = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    if length > MAX_BYTES { Err(excessive(offset, Excess::Bytes)) } else { Ok(()) }
}

/// Checks that a binary, a component or a core module, keeps the bounds of this module.
///
/// Whoever hands bytes of unknown origin to wasmparser's validator, to wit-component or to a compiler checks them here
/// first. [`crate::validate`] and [`crate::encode`] do so themselves.
///
/// # Errors
///
/// [`InvalidError::Excessive`] beyond a bound. Bytes that cannot be read as far as this needs are as invalid here as
/// they are to [`crate::validate`].
pub fn check_bounds(bytes: &[u8]) -> Result<(), InvalidError> {
    check_length(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    let mut walk = Walk { bytes, modules: 0, components: 0, scopes: Scopes::default(), contents: Contents::default() };
    walk.run()
}

/// One reading of a binary from its beginning to its end.
struct Walk<'a> {
    bytes: &'a [u8],
    modules: usize,
    components: usize,
    scopes: Scopes,
    contents: Contents,
}

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<(), InvalidError> {
        let mut parser = Parser::new(0);
        let mut outer = Vec::new();
        let mut position = 0;
        loop {
            // The end of the bytes is known, so the parser never asks for more.
            let Chunk::Parsed { consumed, payload } =
                parser.parse(&self.bytes[position..], true).map_err(|err| self.malformed(&err))?
            else {
                return Err(InvalidError::Truncated { offset: self.bytes.len() });
            };
            position += consumed;
            match payload {
                Payload::ModuleSection { parser: inner, unchecked_range: range } => {
                    self.count_module(range.start)?;
                    outer.push((std::mem::replace(&mut parser, inner), range.end));
                }
                Payload::ComponentSection { parser: inner, unchecked_range: range } => {
                    self.count_component(range.start)?;
                    if outer.len() >= MAX_NESTING {
                        return Err(excessive(range.start, Excess::NestedComponents));
                    }
                    outer.push((std::mem::replace(&mut parser, inner), range.end));
                }
                Payload::CodeSectionStart { size, range, .. } => {
                    parser.skip_section();
                    position =
                        usize::try_from(size).ok().and_then(|size| position.checked_add(size)).unwrap_or(usize::MAX);
                    if position > self.bytes.len() {
                        return Err(InvalidError::Truncated { offset: self.bytes.len().max(range.start) });
                    }
                }
                Payload::End(offset) => {
                    self.contents.end_module();
                    self.check_contents(offset)?;
                    self.scopes.end();
                    match outer.pop() {
                        // The parser takes the end of the file for the end of whatever is in it.
                        Some((_, end)) if offset < end => {
                            return Err(InvalidError::Truncated { offset: self.bytes.len() });
                        }
                        Some((before, _)) => parser = before,
                        None => return Ok(()),
                    }
                }
                payload => self.look_at(payload)?,
            }
        }
    }

    fn look_at(&mut self, payload: Payload<'a>) -> Result<(), InvalidError> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.scopes.begin(encoding);
                Ok(())
            }
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                self.scopes.count(section.count(), range.start).map_err(|problem| self.of_instances(problem))?;
                let Some(body) = self.bytes.get(range.clone()) else {
                    return Err(InvalidError::Truncated { offset: self.bytes.len() });
                };
                types::check(body, range.start).map_err(|problem| match problem {
                    types::Problem::TooDeep { offset } => excessive(offset, Excess::NestedTypes),
                    types::Problem::Malformed(err) => self.malformed(&err),
                })
            }
            Payload::TableSection(section) => self.contents.add_tables(section).map_err(|err| self.malformed(&err)),
            Payload::DataSection(section) => self.contents.add_data(section).map_err(|err| self.malformed(&err)),
            payload => self.scopes.look_at(payload).map_err(|problem| self.of_instances(problem)),
        }
    }

    fn of_instances(&self, problem: instances::Problem) -> InvalidError {
        match problem {
            instances::Problem::Excess { offset, excess } => excessive(offset, excess),
            instances::Problem::Malformed(err) => self.malformed(&err),
        }
    }

    fn count_module(&mut self, offset: usize) -> Result<(), InvalidError> {
        self.modules += 1;
        if self.modules > MAX_PARTS { Err(excessive(offset, Excess::Modules)) } else { Ok(()) }
    }

    fn count_component(&mut self, offset: usize) -> Result<(), InvalidError> {
        self.components += 1;
        if self.components > MAX_PARTS { Err(excessive(offset, Excess::Components)) } else { Ok(()) }
    }

    fn check_contents(&self, offset: usize) -> Result<(), InvalidError> {
        let accounted = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX).saturating_mul(4);
        if self.contents.bytes() > accounted.saturating_add(MAX_EXTRA_CONTENTS) {
            return Err(excessive(offset, Excess::Contents));
        }
        Ok(())
    }

    fn malformed(&self, err: &wasmparser::BinaryReaderError) -> InvalidError {
        InvalidError::of(err, self.bytes.len())
    }
}

fn excessive(offset: usize, excess: Excess) -> InvalidError {
    InvalidError::Excessive { offset, excess }
}
