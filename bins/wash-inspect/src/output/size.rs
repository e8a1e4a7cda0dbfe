//! `wash inspect size`: what a binary's bytes are made of.

use schemars::JsonSchema;
use serde::Serialize;

/// What a binary's bytes are made of.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct SizeData {
    /// What was measured.
    pub(crate) reference: String,
    /// Bytes of the whole file.
    pub(crate) size: u64,
    /// Bytes after gzip at its default level.
    pub(crate) gzip_size: u64,
    /// What stripping would save.
    pub(crate) strippable: Strippable,
    /// Each module and component, the outermost first.
    pub(crate) parts: Vec<PartSize>,
    /// Bytes of code by crate, the largest first; functions whose crate is unknown are under `?`.
    pub(crate) crates: Vec<CrateSize>,
    /// Functions, the largest first; at most as many as `--top` says.
    pub(crate) functions: Vec<FunctionSize>,
    /// How many functions there are.
    pub(crate) n_functions: u64,
    /// Data segments, the largest first; at most as many as `--top` says.
    pub(crate) data: Vec<DataSegment>,
}

/// What stripping would save.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub(crate) struct Strippable {
    /// Bytes that `wash inspect strip` removes.
    pub(crate) default: u64,
    /// Bytes that `wash inspect strip --all` removes.
    pub(crate) all: u64,
    /// Bytes of debugging information among them.
    pub(crate) debug: u64,
}

/// A module or component.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct PartSize {
    /// How deep it is nested.
    pub(crate) depth: u64,
    /// `component` or `core-module`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Bytes, with what is nested in it.
    pub(crate) size: u64,
    /// Its own sections.
    pub(crate) sections: Vec<SectionSize>,
}

/// Sections of one name.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct SectionSize {
    /// The kind, or a custom section's name.
    pub(crate) name: String,
    /// Whether it is a custom section.
    pub(crate) custom: bool,
    /// How many there are.
    pub(crate) count: u64,
    /// Bytes of all of them.
    pub(crate) size: u64,
}

/// A crate's code.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CrateSize {
    /// The crate's name.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// How many functions.
    pub(crate) functions: u64,
}

/// A function's code.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct FunctionSize {
    /// The module's name.
    pub(crate) module: Option<String>,
    /// The function's number in its module.
    pub(crate) index: u32,
    /// Its name, as a person would write it.
    pub(crate) name: Option<String>,
    /// Its crate.
    #[serde(rename = "crate")]
    pub(crate) krate: Option<String>,
    /// Bytes.
    pub(crate) size: u64,
}

/// A data segment.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DataSegment {
    /// The module's name.
    pub(crate) module: Option<String>,
    /// Its number in its module.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Bytes.
    pub(crate) size: u64,
    /// How many of them are zero.
    pub(crate) zeros: u64,
}

/// `wash inspect size --diff`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct SizeDiffData {
    /// The older one.
    pub(crate) old: String,
    /// The newer one.
    pub(crate) new: String,
    /// Bytes of the older one.
    pub(crate) size_before: u64,
    /// Bytes of the newer one.
    pub(crate) size: u64,
    /// What changed in sections, the largest change first.
    pub(crate) sections: Vec<SizeChange>,
    /// What changed in crates, the largest change first.
    pub(crate) crates: Vec<SizeChange>,
    /// What changed in functions, the largest change first; at most as many as `--top` says.
    pub(crate) functions: Vec<SizeChange>,
}

/// Something whose size changed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct SizeChange {
    /// What.
    pub(crate) name: String,
    /// Bytes before; 0 if it was not there.
    pub(crate) before: u64,
    /// Bytes now; 0 if it is not there.
    pub(crate) after: u64,
}
