//! Removes the name that a component or module gives itself.
//!
//! All other names stay: wasm-metadata would remove those of functions with it.

use wasm_encoder::Encode as _;
use wasmparser::{BinaryReader, BinaryReaderError, Parser, Payload};

/// The sections with names: of modules and of components.
const SECTIONS: [&str; 2] = ["name", "component-name"];
/// What a section of names holds first: the name of the whole, in both formats.
const OWN_NAME: u8 = 0;

/// The binary without the name of its outermost level.
pub(crate) fn remove(bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut output = Vec::with_capacity(bytes.len());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let section = match &payload {
            Payload::End(_) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Payload::Version { range, .. } if depth == 0 => {
                output.extend_from_slice(bytes.get(range.clone()).unwrap_or_default());
                continue;
            }
            Payload::CustomSection(custom) if depth == 0 && SECTIONS.contains(&custom.name()) => {
                let others = other_names(custom.data())?;
                if !others.is_empty() {
                    let mut content = Vec::new();
                    custom.name().encode(&mut content);
                    content.extend(others);
                    output.push(0);
                    content.as_slice().encode(&mut output);
                }
                continue;
            }
            payload => payload.as_section(),
        };
        if let Some((id, range)) = section.filter(|_| depth == 0) {
            output.push(id);
            bytes.get(range).unwrap_or_default().encode(&mut output);
        }
        // What is nested was copied as a whole.
        depth += usize::from(matches!(payload, Payload::ModuleSection { .. } | Payload::ComponentSection { .. }));
    }
    Ok(output)
}

fn other_names(section: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut reader = BinaryReader::new(section, 0);
    let mut others = Vec::new();
    while !reader.eof() {
        let kind = reader.read_u8()?;
        let length = reader.read_var_u32()?;
        let content = reader.read_bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
        if kind != OWN_NAME {
            others.push(kind);
            content.encode(&mut others);
        }
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_name_goes() {
        for (named, bare) in [
            ("(module $m (func $f))", "(module (func $f))"),
            ("(module $m)", "(module)"),
            (
                "(component $c (core module $m (func $f)) (component $inner))",
                "(component (core module $m (func $f)) (component $inner))",
            ),
        ] {
            let [named, bare] = [named, bare].map(|text| wat::parse_str(text).unwrap());
            assert_eq!(remove(&named).unwrap(), bare);
            assert_eq!(remove(&bare).unwrap(), bare);
        }
    }
}
