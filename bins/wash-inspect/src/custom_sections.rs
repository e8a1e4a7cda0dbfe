//! A binary without some of its custom sections.
//!
//! What stays is copied as it is; only the sizes of what contains it are written anew.

use wasm_encoder::{ComponentSectionId, Encode as _};
use wasmparser::{Encoding, Parser, Payload};

/// Which custom sections go.
#[derive(Debug)]
pub(crate) enum Choice<'a> {
    /// Those that serve neither names, nor worlds, nor dynamic linking: what `wasm-tools strip` removes, and not the
    /// names of components.
    Unneeded,
    /// All.
    All,
    /// Those of these names; `*` at the end stands for any ending.
    Named(&'a [String]),
}

impl Choice<'_> {
    /// Whether sections of this name go.
    pub(crate) fn removes(&self, name: &str) -> bool {
        match self {
            Self::Unneeded => {
                let is_needed = matches!(name, "name" | "component-name" | "dylink.0" | "package-docs");
                !is_needed && !name.starts_with("component-type")
            }
            Self::All => true,
            Self::Named(patterns) => patterns.iter().any(|pattern| matches(pattern, name)),
        }
    }
}

/// `*` at the end of a pattern stands for any ending.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// The binary without the custom sections that are chosen.
pub(crate) fn strip(bytes: &[u8], choice: &Choice<'_>) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut output = Vec::with_capacity(bytes.len());
    // What is around the part that is being written, and the number of the section that the part will be.
    let mut parents: Vec<(Vec<u8>, ComponentSectionId)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                output.extend_from_slice(&wasm_encoder::Component::HEADER);
            }
            Payload::Version { encoding: Encoding::Module, .. } => {
                output.extend_from_slice(&wasm_encoder::Module::HEADER);
            }
            Payload::ModuleSection { .. } => {
                parents.push((std::mem::take(&mut output), ComponentSectionId::CoreModule));
            }
            Payload::ComponentSection { .. } => {
                parents.push((std::mem::take(&mut output), ComponentSectionId::Component));
            }
            Payload::End(_) => {
                let Some((mut parent, section)) = parents.pop() else { break };
                parent.push(section as u8);
                output.encode(&mut parent);
                output = parent;
            }
            Payload::CustomSection(custom) if choice.removes(custom.name()) => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    output.push(id);
                    bytes.get(range).unwrap_or_default().encode(&mut output);
                }
            }
        }
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bytes: &[u8]) -> Vec<String> {
        let payloads = Parser::new(0).parse_all(bytes).map(Result::unwrap);
        payloads
            .filter_map(|payload| match payload {
                Payload::CustomSection(custom) => Some(custom.name().to_owned()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn custom_sections_go_at_every_level_and_all_else_stays() {
        let bytes = wat::parse_str(
            r#"(component $c
                (core module $m (func $f (export "f") (i32.const 1) drop) (memory 1) (data "abc")
                    (@custom ".debug_info" "x") (@custom "producers" "\00"))
                (component (core module (@custom ".debug_line" "y")))
                (core instance $i (instantiate $m))
                (func (export "f") (canon lift (core func $i "f"))))"#,
        )
        .unwrap();
        let stripped = strip(&bytes, &Choice::Unneeded).unwrap();
        assert_eq!(names(&stripped), ["name", "component-name"]);
        washlib_component::validate(&stripped).unwrap();
        let named = ["*".to_owned()];
        assert_eq!(strip(&bytes, &Choice::Named(&named)).unwrap(), strip(&bytes, &Choice::All).unwrap());
        let debug = strip(&bytes, &Choice::Named(&[".debug_*".to_owned()])).unwrap();
        assert_eq!(names(&debug), ["producers", "name", "component-name"]);
        assert_eq!(strip(&bytes, &Choice::Named(&[])).unwrap(), bytes);
    }
}
