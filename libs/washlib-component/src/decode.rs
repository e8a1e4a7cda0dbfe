//! What a file says in WIT: its world, or the package that it is.
//!
//! Reads components, WIT packages in binary form, core modules that carry their world, and WIT as text. Decides nothing
//! about what it reads.

use anyhow::Error;
use wasmparser::BinaryReaderError;
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{PackageId, Resolve, WorldId};

use crate::guard::{UnexpectedError, guarded};
use crate::{InvalidError, Kind, LimitError, UnrecognizedError, WitBounds, check_bounds, identify};

/// Why a file's WIT cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no WebAssembly binary.
    #[error(transparent)]
    Unrecognized(#[from] UnrecognizedError),
    /// It is a text that goes beyond what is read.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It is a core module, and no world is embedded in it.
    #[error("the file is a core module without WIT")]
    NoWit,
    /// It is damaged, or holds what WIT cannot express.
    #[error("cannot decode: {reason}")]
    Invalid {
        /// Where reading stopped, if that is known.
        offset: Option<usize>,
        /// What is wrong, in the decoder's words.
        reason: String,
    },
    /// It holds what the decoder does not expect.
    #[error(transparent)]
    Unexpected(#[from] UnexpectedError),
}

impl DecodeError {
    /// The byte at which reading stopped, where that is known.
    pub fn offset(&self) -> Option<usize> {
        match self {
            Self::Limit(err) => Some(err.offset()),
            Self::Invalid { offset, .. } => *offset,
            _ => None,
        }
    }

    fn out_of_bounds(err: &InvalidError) -> Self {
        let offset = match err {
            InvalidError::Truncated { offset }
            | InvalidError::Malformed { offset, .. }
            | InvalidError::Excessive { offset, .. } => *offset,
        };
        Self::Invalid { offset: Some(offset), reason: err.to_string() }
    }

    fn invalid(err: &Error) -> Self {
        let offset = err.chain().find_map(|cause| cause.downcast_ref::<BinaryReaderError>()).map(|err| err.offset());
        Self::Invalid { offset, reason: format!("{err:#}") }
    }
}

/// What a decoded file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Root {
    /// A component: it has this world.
    Component(WorldId),
    /// A core module that is to become a component of this world.
    CoreModule(WorldId),
    /// A WIT package.
    Package(PackageId),
}

/// A decoded file.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// All packages, interfaces and types.
    pub resolve: Resolve,
    /// Where to begin.
    pub root: Root,
}

impl Decoded {
    /// The world, unless the file is a package.
    pub fn world(&self) -> Option<WorldId> {
        match self.root {
            Root::Component(world) | Root::CoreModule(world) => Some(world),
            Root::Package(_) => None,
        }
    }

    /// The package that the file is, or that its world was put into.
    pub fn package(&self) -> Option<PackageId> {
        match self.root {
            Root::Component(world) | Root::CoreModule(world) => self.resolve.worlds[world].package,
            Root::Package(package) => Some(package),
        }
    }

    /// The WIT as text: the package, then those it uses. The same bytes that `wasm-tools component wit` prints.
    ///
    /// # Errors
    ///
    /// When it holds what the text cannot express.
    pub fn wit(&self) -> Result<String, DecodeError> {
        let Some(main) = self.package() else {
            return Err(DecodeError::Invalid { offset: None, reason: "the world belongs to no package".to_owned() });
        };
        let others: Vec<_> = self.resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
        guarded(|| {
            let mut printer = WitPrinter::default();
            printer.print(&self.resolve, main, &others)?;
            Ok(String::from(printer.output))
        })?
        .map_err(|err: Error| DecodeError::invalid(&err))
    }
}

/// Decodes a binary.
///
/// # Errors
///
/// When it is no WebAssembly, is damaged, or has no WIT.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let kind = identify(bytes)?;
    check_bounds(bytes).map_err(|err| DecodeError::out_of_bounds(&err))?;
    let decoded = guarded(|| match kind {
        Kind::Component => wit_component::decode(bytes).map(|decoded| Some(component(decoded))),
        Kind::CoreModule => wit_component::metadata::decode(bytes).map(|(stripped, world)| {
            // Nothing was stripped off: the world is an empty default.
            stripped.map(|_| Decoded { resolve: world.resolve, root: Root::CoreModule(world.world) })
        }),
    })?;
    match decoded {
        Ok(Some(decoded)) => Ok(decoded),
        Ok(None) => Err(DecodeError::NoWit),
        Err(err) => Err(DecodeError::invalid(&err)),
    }
}

fn component(decoded: DecodedWasm) -> Decoded {
    match decoded {
        DecodedWasm::Component(resolve, world) => Decoded { resolve, root: Root::Component(world) },
        DecodedWasm::WitPackage(resolve, package) => Decoded { resolve, root: Root::Package(package) },
    }
}

/// Reads a WIT text that needs no other file.
///
/// # Errors
///
/// When it is malformed; the reason shows the place.
pub fn parse_wit(name: &str, text: &str) -> Result<Decoded, DecodeError> {
    WitBounds::default().add(text)?;
    guarded(|| {
        let mut resolve = Resolve::default();
        match resolve.push_source(name, text) {
            Ok(package) => Ok(Decoded { resolve, root: Root::Package(package) }),
            Err(err) => Err(DecodeError::Invalid { offset: None, reason: resolve.render_error(&err) }),
        }
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_component_a_package_and_a_module() {
        let component = decode(&wasm(r#"(component (import "f" (func)))"#)).unwrap();
        assert!(matches!(component.root, Root::Component(_)));
        assert!(component.wit().unwrap().contains("import f: func();"), "{}", component.wit().unwrap());

        let text = parse_wit("p.wit", "package a:b@1.2.3; interface i { f: func(); } world w { import i; }").unwrap();
        let package = wit_component::encode(&text.resolve, text.package().unwrap()).unwrap();
        let package = decode(&package).unwrap();
        assert!(matches!(package.root, Root::Package(_)));
        assert_eq!(package.wit().unwrap(), text.wit().unwrap());

        assert!(matches!(decode(&wasm("(module)")), Err(DecodeError::NoWit)));
        let world = text.resolve.select_world(&[text.package().unwrap()], None).unwrap();
        let mut module = wasm("(module)");
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &text.resolve, world, encoding).unwrap();
        assert!(matches!(decode(&module).unwrap().root, Root::CoreModule(_)));
    }

    #[test]
    fn what_the_decoder_does_not_expect_is_an_error() {
        // A component whose only export is the type of a component that exports a function: to the decoder, an
        // impossible WIT package.
        let odd =
            wasm(r#"(component (type (component (type (func)) (export "f" (func (type 0))))) (export "x" (type 0)))"#);
        assert!(matches!(decode(&odd), Err(DecodeError::Unexpected(_) | DecodeError::Invalid { .. })));
    }

    #[test]
    fn damage_has_a_place() {
        let component = wasm(r#"(component (core module (func)) (import "f" (func)))"#);
        let err = decode(&component[..component.len() - 3]).unwrap_err();
        assert!(err.offset().is_some_and(|offset| offset <= component.len()), "{err:?}");
    }

    #[test]
    fn texts_nest_only_so_deep() {
        let text = |depth: usize| {
            format!("package a:b; interface i {{ type t = {}u8{}; }}", "list<".repeat(depth), ">".repeat(depth))
        };
        parse_wit("a.wit", &text(50)).unwrap();
        assert!(matches!(parse_wit("a.wit", &text(100_000)), Err(DecodeError::Limit(_))));
        assert!(parse_wit("a.wit", "package a:b; interface").unwrap_err().to_string().contains("a.wit"));
    }
}
