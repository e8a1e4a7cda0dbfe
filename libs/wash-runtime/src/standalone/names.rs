//! What a component's outermost level imports and exports, and names that are made from others.
//!
//! Reads bytes that may be hostile and judges none of them: the engine does.

use wasmparser::{Parser, Payload};

/// What a component's outermost level imports and exports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// Names of imports, in their order.
    pub imports: Vec<String>,
    /// Names of exports, in their order.
    pub exports: Vec<String>,
}

impl Names {
    /// Reads as far as the bytes are in order; the engine judges the rest.
    pub fn read(bytes: &[u8]) -> Self {
        let mut names = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
                Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                    names.imports.extend(section.into_iter().flatten().map(|import| import.name.name.to_owned()));
                }
                Ok(Payload::ComponentExportSection(section)) if depth == 0 => {
                    names.exports.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        names
    }

    /// Whether it exports this interface, in whatever version.
    pub fn exports_interface(&self, interface: &str) -> bool {
        self.exports.iter().any(|export| export.split('@').next() == Some(interface))
    }

    /// Whether it answers HTTP requests.
    pub fn is_http_handler(&self) -> bool {
        self.exports_interface("wasi:http/incoming-handler") || self.exports_interface("wasi:http/handler")
    }
}

/// A name of lower-case letters, digits and hyphens that is like this one.
pub fn dns_label(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let label: String = plain.skip_while(|c| *c == '-').take(63).collect();
    let label = label.trim_end_matches('-');
    if label.is_empty() { "component".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn reads_the_names_of_the_outermost_component() {
        let component = wat::parse_str(
            r#"(component
                (import "wasi:keyvalue/store@0.2.0-draft" (instance))
                (component (import "inner" (func)) (export "inner-too" (func 0)))
                (core module (import "a" "b" (func)) (export "c" (func 0)))
                (instance $handler)
                (export "wasi:http/incoming-handler@0.2.4" (instance $handler)))"#,
        )
        .unwrap();
        let names = Names::read(&component);
        assert_eq!(names.imports, ["wasi:keyvalue/store@0.2.0-draft"]);
        assert_eq!(names.exports, ["wasi:http/incoming-handler@0.2.4"]);
        assert!(names.is_http_handler());
        for end in 0..component.len() {
            _ = Names::read(&component[..end]);
        }
        assert_eq!(Names::read(b"text"), Names::default());
    }

    #[test]
    fn labels_are_like_the_names() {
        for (name, label) in [("Hello World", "hello-world"), ("_x_", "x"), ("--", "component"), ("ünï", "n")] {
            assert_eq!(dns_label(name), label, "{name}");
        }
        assert_eq!(dns_label(&"a".repeat(100)).len(), 63);
    }
}
