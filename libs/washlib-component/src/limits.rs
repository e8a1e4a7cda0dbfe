//! Bounds on what a file may make its readers do: how deep it nests, and of how many parts it consists.
//!
//! The readers of types call themselves for each level, so a small file could exhaust the stack. This one keeps its place
//! in a list instead. What is malformed it leaves to the real readers: they meet the same error at the same place.

use wasmparser::{
    BinaryReader, BinaryReaderError, Chunk, ComponentImport, ComponentType, InstanceTypeDeclaration, Parser, Payload,
};

/// How deep components, and types of components and instances, may nest. What tools write stays below ten.
pub(crate) const MAX_NESTING: usize = 100;
/// How many modules and components a file may hold.
pub(crate) const MAX_PARTS: usize = 10_000;
/// How many sections a file may hold, those of all its parts together.
pub(crate) const MAX_SECTIONS: usize = 200_000;

/// A file that goes beyond what is read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Components or their types are nested too deep.
    #[error("components or types are nested more than {MAX_NESTING} deep at byte {offset:#x}")]
    TooDeep {
        /// Where the level begins that is too deep.
        offset: usize,
    },
    /// It has too many parts.
    #[error("the file holds more than {MAX_PARTS} modules and components")]
    TooManyParts {
        /// Where the part begins that is one too many.
        offset: usize,
    },
    /// It has too many sections.
    #[error("the file holds more than {MAX_SECTIONS} sections")]
    TooManySections {
        /// Where the section begins that is one too many.
        offset: usize,
    },
}

impl LimitError {
    /// The byte at which reading stopped.
    pub fn offset(&self) -> usize {
        match self {
            Self::TooDeep { offset } | Self::TooManyParts { offset } | Self::TooManySections { offset } => *offset,
        }
    }
}

/// Checks a whole file.
///
/// # Errors
///
/// The first bound that the file goes beyond.
pub fn check_limits(bytes: &[u8]) -> Result<(), LimitError> {
    let mut parser = Parser::new(0);
    let mut parents = Vec::new();
    let (mut position, mut parts, mut sections) = (0, 0, 0);
    // Core modules are stepped over: nothing in them nests.
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(bytes.get(position..).unwrap_or_default(), true) {
        let start = position;
        position += consumed;
        sections += 1;
        if sections > MAX_SECTIONS {
            return Err(LimitError::TooManySections { offset: start });
        }
        match payload {
            Payload::ComponentSection { parser: inner, .. } => {
                parents.push(std::mem::replace(&mut parser, inner));
                parts += 1;
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                position = unchecked_range.end;
                parts += 1;
            }
            Payload::ComponentTypeSection(types) => {
                let range = types.range();
                let reader = BinaryReader::new(bytes.get(range.clone()).unwrap_or_default(), range.start);
                check_types(reader, parents.len())?;
            }
            Payload::End(_) => match parents.pop() {
                Some(parent) => parser = parent,
                None => break,
            },
            _ => {}
        }
        if parents.len() > MAX_NESTING {
            return Err(LimitError::TooDeep { offset: start });
        }
        if parts > MAX_PARTS {
            return Err(LimitError::TooManyParts { offset: start });
        }
    }
    Ok(())
}

/// What is still to come on one level.
struct Level {
    remaining: u32,
    is_declarations: bool,
}

/// Steps through a type section, given how deep the component is nested that it belongs to.
fn check_types(mut reader: BinaryReader<'_>, nesting: usize) -> Result<(), LimitError> {
    let Ok(count) = reader.read_var_u32() else { return Ok(()) };
    let mut levels = vec![Level { remaining: count, is_declarations: false }];
    while let Some(level) = levels.last_mut() {
        if level.remaining == 0 {
            levels.pop();
            continue;
        }
        level.remaining -= 1;
        let offset = reader.original_position();
        let opened = if level.is_declarations { step_declaration(&mut reader) } else { step_type(&mut reader) };
        match opened {
            Ok(None) => {}
            Ok(Some(remaining)) => {
                levels.push(Level { remaining, is_declarations: true });
                if levels.len() + nesting > MAX_NESTING {
                    return Err(LimitError::TooDeep { offset });
                }
            }
            Err(_) => break,
        }
    }
    Ok(())
}

/// Steps over a type; for one that holds declarations, into it, and returns how many there are.
fn step_type(reader: &mut BinaryReader<'_>) -> Result<Option<u32>, BinaryReaderError> {
    if matches!(reader.clone().read_u8()?, 0x41 | 0x42) {
        reader.read_u8()?;
        return reader.read_var_u32().map(Some);
    }
    reader.read::<ComponentType<'_>>().map(|_| None)
}

fn step_declaration(reader: &mut BinaryReader<'_>) -> Result<Option<u32>, BinaryReaderError> {
    match reader.clone().read_u8()? {
        0x01 => {
            reader.read_u8()?;
            step_type(reader)
        }
        0x03 => {
            reader.read_u8()?;
            reader.read::<ComponentImport<'_>>().map(|_| None)
        }
        _ => reader.read::<InstanceTypeDeclaration<'_>>().map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nested component types, as bytes: the text format's own parser has a bound.
    fn nested_types(depth: usize) -> Vec<u8> {
        let types = [&[0x01][..], &[0x41, 0x01, 0x01].repeat(depth), &[0x41, 0x00]].concat();
        section(7, &types)
    }

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(content);
        bytes
    }

    fn component(content: &[u8]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0", content].concat()
    }

    #[test]
    fn deep_types_are_refused_before_anything_calls_itself() {
        assert_eq!(check_limits(&component(&nested_types(90))), Ok(()));
        for depth in [100, 1_000, 100_000] {
            assert!(
                matches!(check_limits(&component(&nested_types(depth))), Err(LimitError::TooDeep { .. })),
                "{depth}"
            );
        }
    }

    #[test]
    fn deep_components_are_refused() {
        let nested = |depth| {
            let mut bytes = component(&[]);
            for _ in 0..depth {
                bytes = component(&section(4, &bytes));
            }
            bytes
        };
        assert_eq!(check_limits(&nested(90)), Ok(()));
        assert!(matches!(check_limits(&nested(5_000)), Err(LimitError::TooDeep { .. })));
    }

    #[test]
    fn many_parts_are_refused() {
        let module = section(1, b"\0asm\x01\0\0\0");
        assert_eq!(check_limits(&component(&module.repeat(1_000))), Ok(()));
        let many = check_limits(&component(&module.repeat(20_000)));
        assert!(matches!(many, Err(LimitError::TooManyParts { .. })), "{many:?}");
    }
}
