//! Reads typed values out of a document's tree, strictly: a field that nobody asked for is an error.
//!
//! Knows no field by itself; what a document of which kind may hold is in the modules beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use washlib_config::tree::{self, Entry, Location, Node, NodeKind, Scalar, ScalarKind};

use super::error::DocumentError;

/// A line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    file: Arc<Path>,
    line: u32,
}

impl Origin {
    pub(crate) fn new(file: &Arc<Path>, location: Location) -> Self {
        Self { file: Arc::clone(file), line: location.line }
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// `hello.yaml:12`, as compilers write it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A value, the field it stands in, and where that is.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) field: String,
    pub(crate) origin: Origin,
}

impl<T> Placed<T> {
    /// The error for a value that is of the right type and still cannot be.
    pub(crate) fn invalid(&self, reason: impl Into<String>) -> DocumentError {
        DocumentError::Invalid { origin: self.origin.clone(), field: self.field.clone(), reason: reason.into() }
    }
}

/// A field of a document that is there, and not empty.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    node: &'a Node,
    name: String,
    origin: Origin,
}

impl<'a> Field<'a> {
    /// A document itself.
    pub(crate) fn document(file: &Arc<Path>, node: &'a Node) -> Self {
        Self { node, name: String::new(), origin: Origin::new(file, node.location) }
    }

    /// Where the field stands.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, field: self.name.clone(), origin: self.origin.clone() }
    }

    fn with(&self, node: &'a Node, location: Location, name: String) -> Self {
        Self { node, name, origin: Origin { file: Arc::clone(&self.origin.file), line: location.line } }
    }

    fn name_of(&self, key: &str) -> String {
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let key = if plain { key.to_owned() } else { format!("{key:?}") };
        if self.name.is_empty() { key } else { format!("{}.{key}", self.name) }
    }

    fn wrong_type(&self, expected: &str) -> DocumentError {
        DocumentError::WrongType {
            origin: self.origin.clone(),
            field: if self.name.is_empty() { "(document)".to_owned() } else { self.name.clone() },
            expected: expected.to_owned(),
            found: self.node.describe(expected),
        }
    }

    /// The error for a value that the field does not know.
    pub(crate) fn invalid_value(&self, value: &str, expected: impl Into<String>) -> DocumentError {
        DocumentError::InvalidValue {
            origin: self.origin.clone(),
            field: self.name.clone(),
            value: value.to_owned(),
            expected: expected.into(),
            nearest: None,
        }
    }

    pub(crate) fn table(&self) -> Result<Table<'a>, DocumentError> {
        let NodeKind::Table(entries) = &self.node.kind else { return Err(self.wrong_type("a table")) };
        let mut open = BTreeMap::new();
        for entry in entries {
            if let Some(first) = open.insert(entry.key.as_str(), entry) {
                return Err(DocumentError::DuplicateField {
                    origin: Origin { file: Arc::clone(&self.origin.file), line: entry.location.line },
                    field: self.name_of(&entry.key),
                    first_line: first.location.line,
                });
            }
        }
        Ok(Table { field: self.clone(), open, known: Vec::new() })
    }

    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, DocumentError> {
        let NodeKind::List(items) = &self.node.kind else { return Err(self.wrong_type("a list")) };
        let item = |(index, node): (usize, &'a Node)| self.with(node, node.location, format!("{}[{index}]", self.name));
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// Text that says something.
    pub(crate) fn text(&self) -> Result<Placed<String>, DocumentError> {
        let text = self.any_text()?;
        if text.is_empty() {
            return Err(self.placed(()).invalid("must not be empty"));
        }
        Ok(self.placed(text))
    }

    /// Text, as Kubernetes understands it: a number or a boolean without quotes is none.
    fn any_text(&self) -> Result<String, DocumentError> {
        match &self.node.kind {
            NodeKind::Scalar(Scalar { kind: ScalarKind::Text, text }) => Ok(text.clone()),
            _ => Err(self.wrong_type("text")),
        }
    }

    /// One of a few words.
    pub(crate) fn one_of(&self, words: &[&str]) -> Result<Placed<String>, DocumentError> {
        let text = self.text()?;
        if words.contains(&text.value.as_str()) {
            return Ok(text);
        }
        let nearest = tree::nearest(&text.value, words.iter().copied()).map(str::to_owned);
        let mut error = self.invalid_value(&text.value, format!("one of {}", words.join(", ")));
        if let DocumentError::InvalidValue { nearest: place, .. } = &mut error {
            *place = nearest;
        }
        Err(error)
    }

    /// A whole number that the type can hold.
    pub(crate) fn integer<N: TryFrom<i128>>(&self, expected: &str) -> Result<Placed<N>, DocumentError> {
        let number = match &self.node.kind {
            NodeKind::Scalar(Scalar { kind: ScalarKind::Integer, text }) => text.parse::<i128>().ok(),
            _ => None,
        };
        let number = number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| self.wrong_type(expected))?;
        Ok(self.placed(number))
    }

    pub(crate) fn boolean(&self) -> Result<bool, DocumentError> {
        match &self.node.kind {
            NodeKind::Scalar(Scalar { kind: ScalarKind::Boolean, text }) => Ok(text.eq_ignore_ascii_case("true")),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(crate) fn texts(&self) -> Result<Vec<String>, DocumentError> {
        self.list()?.iter().map(|item| item.text().map(|text| text.value)).collect()
    }

    /// A table whose keys are the writer's own and whose values are text.
    pub(crate) fn text_map(&self) -> Result<BTreeMap<String, String>, DocumentError> {
        self.entries()?.into_iter().map(|(key, field)| Ok((key, field.any_text()?))).collect()
    }

    /// A table whose keys are the writer's own.
    pub(crate) fn entries(&self) -> Result<Vec<(String, Field<'a>)>, DocumentError> {
        let table = self.table()?;
        let entries = table.open.into_values();
        Ok(entries.map(|entry| (entry.key.clone(), self.entry(entry))).collect())
    }

    fn entry(&self, entry: &'a Entry) -> Self {
        self.with(&entry.node, entry.location, self.name_of(&entry.key))
    }
}

/// A table with known fields, each of which is taken out once; what is left at the end is unknown.
pub(crate) struct Table<'a> {
    field: Field<'a>,
    open: BTreeMap<&'a str, &'a Entry>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// Where the table begins.
    pub(crate) fn origin(&self) -> &Origin {
        &self.field.origin
    }

    /// Takes a field that may be missing; one without a value counts as missing.
    pub(crate) fn optional(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let entry = self.open.remove(key)?;
        (!entry.node.is_null()).then(|| self.field.entry(entry))
    }

    /// Takes a field that must be there.
    pub(crate) fn required(&mut self, key: &'static str) -> Result<Field<'a>, DocumentError> {
        self.optional(key).ok_or_else(|| DocumentError::MissingField {
            origin: self.field.origin.clone(),
            field: self.field.name_of(key),
        })
    }

    /// Takes a list that may be missing.
    pub(crate) fn list(&mut self, key: &'static str) -> Result<Vec<Field<'a>>, DocumentError> {
        self.optional(key).map_or(Ok(Vec::new()), |field| field.list())
    }

    /// Takes a table with the writer's own keys that may be missing.
    pub(crate) fn text_map(&mut self, key: &'static str) -> Result<BTreeMap<String, String>, DocumentError> {
        self.optional(key).map_or(Ok(BTreeMap::new()), |field| field.text_map())
    }

    /// Checks that every field was known.
    pub(crate) fn finish(self) -> Result<(), DocumentError> {
        let first = self.open.into_values().min_by_key(|entry| (entry.location.line, entry.location.column));
        let Some(entry) = first else { return Ok(()) };
        let nearest = tree::nearest(&entry.key, self.known.iter().copied()).map(str::to_owned);
        let unknown = self.field.entry(entry);
        Err(DocumentError::UnknownField { origin: unknown.origin, field: unknown.name, nearest, known: self.known })
    }
}
