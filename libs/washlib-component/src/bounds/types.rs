//! How deep component types are nested in one another, found without recursion.

use wasmparser::{BinaryReader, BinaryReaderError, ComponentImport, ComponentType, InstanceTypeDeclaration};

use super::MAX_NESTING;

/// Opcodes of the types that hold declarations (component model, binary format, type definitions).
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
/// Opcodes of declarations that are read differently from the rest.
const TYPE_DECLARATION: u8 = 0x01;
const IMPORT_DECLARATION: u8 = 0x03;

/// Why a type section is not all right.
pub(super) enum Problem {
    TooDeep { offset: usize },
    Malformed(BinaryReaderError),
}

impl From<BinaryReaderError> for Problem {
    fn from(err: BinaryReaderError) -> Self {
        Self::Malformed(err)
    }
}

/// Reads a section of component types that begins at `offset` of the binary.
pub(super) fn check(section: &[u8], offset: usize) -> Result<(), Problem> {
    let mut reader = BinaryReader::new(section, offset);
    // How much is left in each list that is open: the section's types, then declarations.
    let mut open = vec![reader.read_var_u32()?];
    while let Some(left) = open.last_mut() {
        let Some(less) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = less;
        let in_declarations = open.len() > 1;
        if in_declarations {
            match peek(&reader)? {
                TYPE_DECLARATION => {
                    reader.read_u8()?;
                }
                // Only a component's type may have imports; the validator tells.
                IMPORT_DECLARATION => {
                    reader.read_u8()?;
                    reader.read::<ComponentImport<'_>>()?;
                    continue;
                }
                _ => {
                    reader.read::<InstanceTypeDeclaration<'_>>()?;
                    continue;
                }
            }
        }
        match peek(&reader)? {
            COMPONENT_TYPE | INSTANCE_TYPE => {
                if open.len() > MAX_NESTING {
                    return Err(Problem::TooDeep { offset: reader.original_position() });
                }
                reader.read_u8()?;
                open.push(reader.read_var_u32()?);
            }
            _ => {
                reader.read::<ComponentType<'_>>()?;
            }
        }
    }
    Ok(())
}

fn peek(reader: &BinaryReader<'_>) -> Result<u8, BinaryReaderError> {
    reader.clone().read_u8()
}
