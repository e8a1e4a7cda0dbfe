//! Makes a component out of what a toolchain left: a component stays as it is, a core module is wrapped with the right
//! WASI preview-1 adapter.
//!
//! Never guesses an interface: a module that would become a component without exports is an error.

use std::borrow::Cow;
use std::fmt;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::guard::guarded;
use crate::{InvalidError, Kind, UnrecognizedError, identify, validate};

/// A valid component, and what was done to get it.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    /// The component's bytes: the input itself when it was one already.
    pub bytes: Cow<'a, [u8]>,
    /// How a core module was wrapped; `None` when the input was a component.
    pub wrapped: Option<Adapter>,
}

/// The adapter between WASI preview 1 and WASI 0.2 that a core module was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Adapter {
    /// For a program with `_start`: adds the export `wasi:cli/run`.
    Command,
    /// For a library whose exports are called many times.
    Reactor,
    /// None: the module does not use preview 1.
    None,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "command",
            Self::Reactor => "reactor",
            Self::None => "none",
        })
    }
}

/// Why there is no component in the input.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Not WebAssembly at all.
    #[error(transparent)]
    Unrecognized(#[from] UnrecognizedError),
    /// WebAssembly, but invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidError),
    /// A package of interface definitions in binary form: it holds no code.
    #[error("the file is the WIT package `{package}`: interface definitions without code")]
    WitPackage {
        /// The package's name and version.
        package: String,
    },
    /// A core module that says nothing about the component it is meant for.
    #[error("the file is a core module that exports no interface: it carries no component type and no `_start`")]
    NoWorld,
    /// A core module that does not fit the component it is meant for.
    #[error("the core module cannot be made a component: {reason}")]
    Unfit {
        /// What is missing or wrong, in wit-component's words.
        reason: String,
    },
}

/// Returns the component that `bytes` are, or that can be made of them.
///
/// # Errors
///
/// When the bytes are neither a valid component nor a core module that can be wrapped.
pub fn encode(bytes: &[u8]) -> Result<Encoded<'_>, EncodeError> {
    let kind = identify(bytes)?;
    validate(bytes)?;
    match kind {
        Kind::Component => match wit_package(bytes) {
            Some(package) => Err(EncodeError::WitPackage { package }),
            None => Ok(Encoded { bytes: Cow::Borrowed(bytes), wrapped: None }),
        },
        Kind::CoreModule => {
            guarded(|| wrap(bytes)).unwrap_or_else(|err| Err(EncodeError::Unfit { reason: err.to_string() }))
        }
    }
}

/// The package's name when the component is a WIT package in binary form.
fn wit_package(bytes: &[u8]) -> Option<String> {
    match guarded(|| wit_component::decode(bytes)) {
        Ok(Ok(DecodedWasm::WitPackage(resolve, package))) => Some(resolve.packages[package].name.to_string()),
        // A component whose types WIT cannot express is still a component.
        Ok(Ok(DecodedWasm::Component(..)) | Err(_)) | Err(_) => None,
    }
}

fn wrap(module: &[u8]) -> Result<Encoded<'static>, EncodeError> {
    let adapter = needed_adapter(module);
    let unfit = |err| EncodeError::Unfit { reason: format!("{err:#}") };
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(unfit)?;
    let adapter_bytes = match adapter {
        Adapter::Command => Some(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
        Adapter::Reactor => Some(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        Adapter::None => None,
    };
    if let Some(bytes) = adapter_bytes {
        encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, bytes).map_err(unfit)?;
    }
    let component = encoder.encode().map_err(unfit)?;
    if !has_exports(&component) {
        return Err(EncodeError::NoWorld);
    }
    Ok(Encoded { bytes: Cow::Owned(component), wrapped: Some(adapter) })
}

fn needed_adapter(module: &[u8]) -> Adapter {
    let mut imports_preview1 = false;
    let mut exports_start = false;
    for payload in Parser::new(0).parse_all(module).flatten() {
        match payload {
            Payload::ImportSection(imports) => {
                imports_preview1 |=
                    imports.into_imports().flatten().any(|import| import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
            }
            Payload::ExportSection(exports) => {
                exports_start |= exports.into_iter().flatten().any(|export| export.name == "_start");
            }
            _ => {}
        }
    }
    match (exports_start, imports_preview1) {
        (true, _) => Adapter::Command,
        (false, true) => Adapter::Reactor,
        (false, false) => Adapter::None,
    }
}

/// Whether the outermost component exports anything.
fn has_exports(component: &[u8]) -> bool {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component).flatten() {
        match payload {
            Payload::Version { encoding: Encoding::Component | Encoding::Module, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(exports) if depth == 1 && exports.count() > 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    const PREVIEW1_COMMAND: &str = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 0))))"#;

    #[test]
    fn a_component_stays_as_it_is() {
        let bytes = wasm("(component)");
        let encoded = encode(&bytes).unwrap();
        assert_eq!(encoded.wrapped, None);
        assert!(matches!(encoded.bytes, Cow::Borrowed(_)));
    }

    #[test]
    fn a_command_gets_the_command_adapter() {
        let encoded = encode(&wasm(PREVIEW1_COMMAND)).map(|encoded| (encoded.wrapped, encoded.bytes.into_owned()));
        let (wrapped, bytes) = encoded.unwrap();
        assert_eq!(wrapped, Some(Adapter::Command));
        let Ok(DecodedWasm::Component(resolve, world)) = wit_component::decode(&bytes) else { panic!() };
        let exports: Vec<_> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        assert!(exports.iter().any(|name| name.starts_with("wasi:cli/run@0.2")), "{exports:?}");
    }

    #[test]
    fn a_reactor_with_a_world_gets_the_reactor_adapter() {
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("world.wit", "package a:b; world w { export greet: func(); }").unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        let mut module = wasm(
            r#"(module
                (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
                (memory (export "memory") 1)
                (func (export "greet") (drop (call $yield))))"#,
        );
        wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
            .unwrap();
        let encoded = encode(&module).unwrap();
        assert_eq!(encoded.wrapped, Some(Adapter::Reactor));
        validate(&encoded.bytes).unwrap();
    }

    #[test]
    fn what_is_no_component_says_why() {
        let error = |bytes: &[u8]| encode(bytes).unwrap_err();
        assert_eq!(error(b"hello"), EncodeError::Unrecognized(UnrecognizedError::NotWasm { description: "a text" }));
        assert_eq!(error(&wasm("(module (func (export \"f\")))")), EncodeError::NoWorld);
        assert!(matches!(error(&wasm("(module (import \"env\" \"f\" (func)))")), EncodeError::Unfit { .. }));

        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("p.wit", "package a:b@1.2.3; interface i { f: func(); }").unwrap();
        let package = wit_component::encode(&resolve, package).unwrap();
        assert_eq!(error(&package), EncodeError::WitPackage { package: "a:b@1.2.3".to_owned() });
    }

    /// The decoder of WIT panics over both.
    #[test]
    fn what_no_tool_writes_gets_an_answer() {
        let component =
            wasm(r#"(component (type (component (type (func)) (export "f" (func (type 0))))) (export "x" (type 0)))"#);
        validate(&component).unwrap();
        assert_eq!(encode(&component).unwrap().wrapped, None);
        // A world is the type of a component with one export, and this one has none.
        let world = wasm(r#"(component (type (component)) (export "w" (type 0)))"#);
        let world: String = world.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let module = wasm(&format!(r#"(module (@custom "component-type:w" "{world}"))"#));
        let err = encode(&module).unwrap_err();
        assert!(matches!(err, EncodeError::Unfit { .. }), "{err:?}");
    }

    #[test]
    fn damaged_input_never_panics() {
        let original = wasm(PREVIEW1_COMMAND);
        for position in 0..original.len() {
            for bit in 0..8 {
                let mut damaged = original.clone();
                damaged[position] ^= 1 << bit;
                let _ = encode(&damaged);
            }
        }
    }
}
