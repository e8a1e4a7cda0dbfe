//! Whether a component is of WASI 0.3, told from the names it imports and exports.
//!
//! It validates nothing: bytes that are no component are not of WASI 0.3, and the compiler says what they are.

use wasmparser::{Chunk, Parser, Payload};

use crate::engine::compile::is_of_wasi_0_3;

/// Whether one of the component's own imports or exports is an interface of WASI 0.3.
pub(in crate::engine) fn is_wasip3(bytes: &[u8]) -> bool {
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest, true) {
        let Some(after) = rest.get(consumed..) else { return false };
        rest = after;
        let found = match payload {
            // What is nested has names of its own, which do not count.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                let length = unchecked_range.end.saturating_sub(unchecked_range.start);
                let Some(after) = rest.get(length..) else {
                    return false;
                };
                rest = after;
                false
            }
            Payload::ComponentImportSection(imports) => {
                imports.into_iter().flatten().any(|import| is_of_wasi_0_3(import.name.name))
            }
            Payload::ComponentExportSection(exports) => {
                exports.into_iter().flatten().any(|export| is_of_wasi_0_3(export.name.name))
            }
            Payload::End(_) => return false,
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        is_wasip3(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn an_import_or_export_of_wasi_0_3_makes_a_component_one_of_it() {
        assert!(check(r#"(component (import "wasi:random/random@0.3.0" (instance)))"#));
        assert!(check(
            r#"(component (core module) (component)
                (import "wasi:io/poll@0.2.3" (instance)) (instance $i) (export "wasi:http/handler@0.3.1" (instance $i)))"#
        ));
        for text in [
            "(component)",
            "(module)",
            r#"(component (import "wasi:random/random@0.2.3" (instance)))"#,
            r#"(component (import "other:random/random@0.3.0" (instance)))"#,
            r#"(component (component (import "wasi:random/random@0.3.0" (instance))))"#,
        ] {
            assert!(!check(text), "{text}");
        }
    }

    #[test]
    fn broken_bytes_are_nothing() {
        let whole = wat::parse_str(
            r#"(component (core module (memory 1)) (import "wasi:random/random@0.2.0" (instance)) (component))"#,
        )
        .unwrap();
        for length in 0..whole.len() {
            assert!(!is_wasip3(&whole[..length]));
        }
        for (index, bit) in (0..whole.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
            let mut broken = whole.clone();
            broken[index] ^= 1 << bit;
            // Only that it returns is asserted: a changed bit may well make it another component.
            is_wasip3(&broken);
        }
    }
}
