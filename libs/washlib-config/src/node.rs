//! One tree for the values of every format, in which each key and value knows its line and column.
//!
//! Holds what was written, not what it means: types are the schema's business.

use std::fmt;

/// How deep lists and tables may lie in one another.
pub(crate) const MAX_DEPTH: usize = 64;

/// The largest configuration file that is read, in bytes.
pub(crate) const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// The format of a configuration file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// YAML 1.2, one document.
    Yaml,
    /// JSON.
    Json,
    /// TOML 1.1.
    Toml,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        })
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Location {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Location {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A value with the place where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub location: Location,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Nothing, written or left out.
    Null,
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// In the order of the text; a key may stand in it twice, for the schema to refuse.
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub location: Location,
    /// The value.
    pub node: Node,
}

/// A single value, as written: `2.10` stays `2.10`.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// What the format says it is.
    pub kind: ScalarKind,
    /// The value as written.
    pub text: String,
}

/// What the format says a single value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScalarKind {
    /// Text, quoted or plain.
    Text,
    /// A whole number.
    Integer,
    /// A number that need not be whole.
    Float,
    /// True or false.
    Boolean,
    /// A date, which only TOML knows.
    Date,
    /// An environment variable's value, which becomes what its key asks for.
    Untyped,
}

impl Node {
    pub(crate) fn null(location: Location) -> Self {
        Self { location, kind: NodeKind::Null }
    }

    pub(crate) fn scalar(location: Location, kind: ScalarKind, text: impl Into<String>) -> Self {
        Self { location, kind: NodeKind::Scalar(Scalar { kind, text: text.into() }) }
    }

    /// A table with one key, to hang a value of its own into the tree of all.
    pub(crate) fn table_of(key: impl Into<String>, node: Self) -> Self {
        let location = node.location;
        Self { location, kind: NodeKind::Table(vec![Entry { key: key.into(), location, node }]) }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Null)
    }

    /// What the value is, for an error message that says what was expected. Never the text itself, which may be a secret;
    /// where text was expected no number either, which may be a secret without its quotes.
    pub fn describe(&self, expected: &str) -> String {
        let is_told = expected != "text";
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Table(_) => "a table".to_owned(),
            NodeKind::Scalar(scalar) => match scalar.kind {
                ScalarKind::Text | ScalarKind::Untyped => "text".to_owned(),
                ScalarKind::Integer | ScalarKind::Float if is_told => format!("the number {}", scalar.text),
                ScalarKind::Boolean if is_told => format!("the boolean {}", scalar.text),
                ScalarKind::Integer | ScalarKind::Float => "a number".to_owned(),
                ScalarKind::Boolean => "a boolean".to_owned(),
                ScalarKind::Date => "a date".to_owned(),
            },
        }
    }
}

/// Why a text is not a tree.
#[derive(Debug)]
pub struct SyntaxError {
    /// Where the parser noticed.
    pub location: Location,
    /// One lower-case clause.
    pub reason: String,
}

impl SyntaxError {
    pub(crate) fn new(location: Location, reason: impl Into<String>) -> Self {
        Self { location, reason: reason.into() }
    }

    pub(crate) fn too_deep(location: Location) -> Self {
        Self::new(location, format!("nested more than {MAX_DEPTH} levels deep"))
    }
}

/// Parses a whole file.
pub(crate) fn parse(format: Format, text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Yaml => crate::yaml::parse(text),
        Format::Json => crate::json::parse(text),
        Format::Toml => crate::toml_format::parse(text),
    }
}

/// Parses all documents of a text: any number in YAML, one in the other formats.
///
/// # Errors
///
/// Where the text is not of the format, nests too deep, or unfolds to too much.
pub fn parse_documents(format: Format, text: &str) -> Result<Vec<Node>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Yaml => crate::yaml::parse_documents(text),
        _ => parse(format, text).map(|document| vec![document]),
    }
}

/// Turns byte offsets into lines and columns, quickly even when a megabyte stands on one line.
pub(crate) struct LineIndex<'t> {
    bytes: &'t [u8],
    line_starts: Vec<usize>,
    /// How many characters begin before each block of [`Self::BLOCK`] bytes.
    characters_before: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    const BLOCK: usize = 256;

    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let after_line_feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_line_feeds).collect();
        let mut total = 0;
        let mut characters_before = Vec::with_capacity(bytes.len() / Self::BLOCK + 1);
        for block in bytes.chunks(Self::BLOCK) {
            characters_before.push(total);
            total += count_characters(block);
        }
        Self { bytes, line_starts, characters_before }
    }

    pub(crate) fn locate(&self, offset: usize) -> Location {
        let offset = offset.min(self.bytes.len());
        // The first line starts at 0, so at least one start is not after any offset.
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let line_start = self.line_starts[line - 1];
        let column = self.characters_before(offset) - self.characters_before(line_start) + 1;
        Location { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = (offset / Self::BLOCK).min(self.characters_before.len().saturating_sub(1));
        let before = self.characters_before.get(block).copied().unwrap_or(0);
        before + count_characters(&self.bytes[block * Self::BLOCK..offset])
    }
}

/// Counts the bytes that begin a character in UTF-8.
fn count_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
