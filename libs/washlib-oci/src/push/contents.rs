//! What a binary tells about itself: its kind, its imports and exports, and the metadata in its custom sections.
//!
//! Reads the structure, not the code: whether every instruction is valid is for whoever compiles it.

use thiserror::Error;
use wasmparser::{
    ComponentExternalKind, ComponentName, ComponentNameSectionReader, ComponentTypeRef, Encoding, KnownCustom, Parser,
    Payload,
};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

/// Why bytes cannot be packed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ContentError {
    /// There are none.
    #[error("the file is empty")]
    Empty,
    /// They are something else.
    #[error("the file is no WebAssembly binary{0}")]
    NotWasm(&'static str),
    /// They are cut off or damaged.
    #[error("the file is damaged: {0}")]
    Malformed(String),
}

/// The kind of a binary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A component.
    Component,
    /// A WIT package in its binary form.
    WitPackage,
    /// A core module.
    CoreModule,
}

/// What a binary tells about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    /// What it is.
    pub kind: Kind,
    /// What a component imports, by name; of a core module nothing is told.
    pub imports: Vec<String>,
    /// What a component exports, by name; of a WIT package, its interfaces and worlds.
    pub exports: Vec<String>,
    /// The name that it gives itself.
    pub name: Option<String>,
    /// Who made it.
    pub authors: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Its licences, as an SPDX expression.
    pub licenses: Option<String>,
    /// Where its source is.
    pub source: Option<String>,
    /// Where to read more.
    pub homepage: Option<String>,
    /// The revision of its source.
    pub revision: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl Contents {
    /// Reads a binary.
    ///
    /// # Errors
    ///
    /// When it is none, or damaged.
    pub fn of(bytes: &[u8]) -> Result<Self, ContentError> {
        if bytes.is_empty() {
            return Err(ContentError::Empty);
        }
        if !bytes.starts_with(b"\0asm") {
            let is_text = bytes.trim_ascii_start().starts_with(b"(");
            return Err(ContentError::NotWasm(if is_text { ": it looks like its text form" } else { "" }));
        }
        let mut reading = Reading::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|err| ContentError::Malformed(err.to_string()))?;
            reading.take(payload).map_err(|err| ContentError::Malformed(err.to_string()))?;
        }
        let mut contents = reading.contents.clone();
        if contents.kind == Kind::Component
            && reading.may_be_package()
            && let Ok(DecodedWasm::WitPackage(resolve, package)) = wit_component::decode(bytes)
        {
            contents.kind = Kind::WitPackage;
            contents.imports.clear();
            contents.exports = names_of_package(&resolve, package);
        }
        contents.imports.sort();
        contents.exports.sort();
        contents.imports.dedup();
        contents.exports.dedup();
        Ok(contents)
    }

    /// The well-known world that a component is made for, as far as its exports tell.
    pub fn target(&self) -> Option<String> {
        const WORLDS: [(&str, &str); 3] = [
            ("wasi:http/incoming-handler@", "wasi:http/proxy@"),
            ("wasi:http/handler@", "wasi:http/service@"),
            ("wasi:cli/run@", "wasi:cli/command@"),
        ];
        if self.kind != Kind::Component {
            return None;
        }
        WORLDS.iter().find_map(|(export, world)| {
            let version = self.exports.iter().find_map(|name| name.strip_prefix(export))?;
            Some(format!("{world}{version}"))
        })
    }
}

/// The way through a binary: only what stands at its outermost level is its own.
struct Reading {
    contents: Contents,
    depth: usize,
    has_code: bool,
    /// Whether its outermost level exports types.
    has_types: bool,
    /// Whether it imports anything, or exports anything else.
    has_more: bool,
}

impl Reading {
    fn new() -> Self {
        let contents = Contents {
            kind: Kind::CoreModule,
            imports: Vec::new(),
            exports: Vec::new(),
            name: None,
            authors: None,
            description: None,
            licenses: None,
            source: None,
            homepage: None,
            revision: None,
            version: None,
        };
        Self { contents, depth: 0, has_code: false, has_types: false, has_more: false }
    }

    /// A package of WIT exports types and nothing else. Only what may be one is decoded, which copies all of it.
    fn may_be_package(&self) -> bool {
        self.has_types && !self.has_more && !self.has_code
    }

    fn take(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => {
                if self.depth == 0 && encoding == Encoding::Component {
                    self.contents.kind = Kind::Component;
                }
                if self.depth > 0 && encoding == Encoding::Module {
                    self.has_code = true;
                }
                self.depth += 1;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            _ if self.depth != 1 => {}
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let import = import?;
                    self.has_more = true;
                    if matches!(import.ty, ComponentTypeRef::Instance(_) | ComponentTypeRef::Func(_)) {
                        self.contents.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    match export.kind {
                        ComponentExternalKind::Type => self.has_types = true,
                        _ => self.has_more = true,
                    }
                    if matches!(export.kind, ComponentExternalKind::Instance | ComponentExternalKind::Func) {
                        self.contents.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::ComponentName(names) = section.as_known() {
                    self.contents.name = name(names);
                }
                self.metadata(section.name(), section.data());
            }
            _ => {}
        }
        Ok(())
    }

    /// A custom section of the tool conventions, which holds a text.
    fn metadata(&mut self, section: &str, data: &[u8]) {
        let field = match section {
            "authors" => &mut self.contents.authors,
            "description" => &mut self.contents.description,
            "licenses" => &mut self.contents.licenses,
            "source" => &mut self.contents.source,
            "homepage" => &mut self.contents.homepage,
            "revision" => &mut self.contents.revision,
            "version" => &mut self.contents.version,
            _ => return,
        };
        // A text of another length than a note has is no note.
        let text = std::str::from_utf8(data).ok().filter(|text| !text.trim().is_empty() && text.len() < 1 << 16);
        *field = text.map(str::to_owned);
    }
}

fn name(names: ComponentNameSectionReader<'_>) -> Option<String> {
    names.into_iter().flatten().find_map(|name| match name {
        ComponentName::Component { name, .. } if !name.is_empty() => Some(name.to_owned()),
        _ => None,
    })
}

/// What a WIT package offers: its interfaces and worlds, and what the worlds export.
fn names_of_package(resolve: &Resolve, package: wit_parser::PackageId) -> Vec<String> {
    let package = &resolve.packages[package];
    let mut names: Vec<String> = package.interfaces.values().filter_map(|id| resolve.id_of(*id)).collect();
    for (name, id) in &package.worlds {
        names.push(package.name.interface_id(name));
        for (key, item) in &resolve.worlds[*id].exports {
            match (key, item) {
                (WorldKey::Name(name), WorldItem::Function(_)) => names.push(name.clone()),
                (key, WorldItem::Interface { .. }) => names.push(resolve.name_world_key(key)),
                _ => {}
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_component_tells_its_interfaces_and_metadata() {
        let bytes = wasm(
            r#"(component $hello
                (@custom "authors" "Ada")
                (@custom "version" "1.2.0")
                (@custom "description" "\ff")
                (component (@custom "authors" "nobody"))
                (import "wasi:cli/environment@0.2.0" (instance))
                (import "b" (func))
                (instance $i)
                (export "wasi:http/incoming-handler@0.2.3" (instance $i)))"#,
        );
        let contents = Contents::of(&bytes).unwrap();
        assert_eq!(contents.kind, Kind::Component);
        assert_eq!(contents.imports, ["b", "wasi:cli/environment@0.2.0"]);
        assert_eq!(contents.exports, ["wasi:http/incoming-handler@0.2.3"]);
        assert_eq!(contents.target().as_deref(), Some("wasi:http/proxy@0.2.3"));
        assert_eq!((contents.authors.as_deref(), contents.version.as_deref()), (Some("Ada"), Some("1.2.0")));
        assert_eq!((contents.name.as_deref(), contents.description), (Some("hello"), None));
    }

    #[test]
    fn core_modules_and_packages_are_told_apart() {
        let module = Contents::of(&wasm(r#"(module (import "env" "f" (func)))"#)).unwrap();
        assert_eq!((module.kind, module.imports.len(), module.target()), (Kind::CoreModule, 0, None));
        let mut resolve = Resolve::default();
        let text = "package a:b@1.2.3; interface i { f: func(); } world w { export i; export run: func(); }";
        let package = resolve.push_str("p.wit", text).unwrap();
        let bytes = wit_component::encode(&resolve, package).unwrap();
        let contents = Contents::of(&bytes).unwrap();
        assert_eq!(contents.kind, Kind::WitPackage);
        assert_eq!(contents.exports, ["a:b/i@1.2.3", "a:b/w@1.2.3", "run"]);
    }

    #[test]
    fn what_is_no_binary_says_why() {
        assert_eq!(Contents::of(b""), Err(ContentError::Empty));
        assert!(matches!(Contents::of(b"hello"), Err(ContentError::NotWasm(""))));
        assert!(matches!(Contents::of(b" (component)"), Err(ContentError::NotWasm(text)) if !text.is_empty()));
        let whole = wasm("(component (core module (func)) (export \"f\" (core module 0)))");
        for length in 0..whole.len() {
            // No panic, and nothing that breaks off inside a section is taken for whole.
            let _ = Contents::of(&whole[..length]);
        }
        assert!(matches!(Contents::of(&whole[..whole.len() - 1]), Err(ContentError::Malformed(_))));
    }
}
