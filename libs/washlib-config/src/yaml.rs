//! YAML 1.2 with its core schema into the tree of values with their places.
//!
//! `saphyr-parser` finds the structure; what is here decides what a plain word means and bounds how much an alias may
//! unfold to. Keys that are single values, no tags but the core schema's.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::node::{Entry, Location, MAX_DEPTH, MAX_FILE_SIZE, Node, NodeKind, ScalarKind, SyntaxError};

/// How much a document may weigh with all aliases unfolded; what a file holds without them is always below.
const MAX_WEIGHT: usize = 24 * MAX_FILE_SIZE as usize;

/// What a value weighs besides its text.
const NODE_WEIGHT: usize = 16;

/// Parses a document; an empty one is nothing.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut loader = Loader::new(text);
    let mut document = None;
    while let Some(location) = loader.start_of_document()? {
        if document.is_some() {
            return Err(SyntaxError::new(location, "more than one document in the file"));
        }
        document = Some(loader.document()?);
    }
    Ok(document.unwrap_or(Node::null(Location::START)))
}

/// Parses all documents of a stream; the bounds hold for each of them.
pub(crate) fn parse_documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut loader = Loader::new(text);
    let mut documents = Vec::new();
    while loader.start_of_document()?.is_some() {
        documents.push(loader.document()?);
    }
    Ok(documents)
}

struct Loader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Anchor>,
    /// What all that has been read and unfolded so far weighs.
    weight: usize,
}

/// What the aliases of an anchor stand for.
struct Anchor {
    node: Node,
    weight: usize,
    height: usize,
}

impl<'t> Loader<'t> {
    fn new(text: &'t str) -> Self {
        Self { parser: Parser::new_from_str(text), anchors: HashMap::new(), weight: 0 }
    }

    /// Goes to the next document; none at the end of the stream.
    fn start_of_document(&mut self) -> Result<Option<Location>, SyntaxError> {
        loop {
            match self.next()? {
                (Event::DocumentStart(_), location) => return Ok(Some(location)),
                (Event::StreamEnd, _) => return Ok(None),
                _ => {}
            }
        }
    }

    /// The document that has just started.
    fn document(&mut self) -> Result<Node, SyntaxError> {
        // An anchor lives as long as its document.
        self.anchors.clear();
        self.weight = 0;
        let (event, location) = self.next()?;
        self.node(event, location, MAX_DEPTH)
    }

    fn next(&mut self) -> Result<(Event<'t>, Location), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, location_of(&span.start))),
            Some(Err(err)) => Err(syntax_error(&err)),
            // Nothing comes after the end of the stream, and nobody asks for it.
            None => Ok((Event::StreamEnd, Location::START)),
        }
    }

    fn node(&mut self, event: Event<'t>, location: Location, depth: usize) -> Result<Node, SyntaxError> {
        if depth == 0 {
            return Err(SyntaxError::too_deep(location));
        }
        let weight_before = self.weight;
        spend(&mut self.weight, NODE_WEIGHT, location)?;
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, location, depth),
            Event::Scalar(text, style, anchor, tag) => {
                spend(&mut self.weight, text.len(), location)?;
                (anchor, scalar(&text, style, tag.as_deref(), location)?)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", location)?;
                (anchor, Node { location, kind: NodeKind::List(self.list(depth)?) })
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", location)?;
                (anchor, Node { location, kind: NodeKind::Table(self.table(depth)?) })
            }
            _ => return Err(SyntaxError::new(location, "expected a value")),
        };
        if anchor != 0 {
            // The copy that waits for its aliases counts too.
            let weight = self.weight - weight_before;
            spend(&mut self.weight, weight, location)?;
            self.anchors.insert(anchor, Anchor { height: height(&node), node: node.clone(), weight });
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, location: Location, depth: usize) -> Result<Node, SyntaxError> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(SyntaxError::new(location, "an alias inside of what it stands for"));
        };
        if anchor.height > depth {
            return Err(SyntaxError::too_deep(location));
        }
        // Before the copy is made.
        spend(&mut self.weight, anchor.weight, location)?;
        Ok(anchor.node.clone())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, location) => items.push(self.node(event, location, depth - 1)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries = Vec::new();
        let mut merged = None;
        loop {
            let (event, location) = self.next()?;
            let (key, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, style, 0, None) => (key.into_owned(), style),
                _ => {
                    return Err(SyntaxError::new(
                        location,
                        "a key must be a single value without anchor, alias or tag",
                    ));
                }
            };
            spend(&mut self.weight, NODE_WEIGHT + key.len(), location)?;
            let (event, value_location) = self.next()?;
            let node = self.node(event, value_location, depth - 1)?;
            if key == "<<" && style == ScalarStyle::Plain {
                if merged.replace((node, location)).is_some() {
                    return Err(SyntaxError::new(location, "a second `<<` in one table"));
                }
            } else {
                entries.push(Entry { key, location, node });
            }
        }
        if let Some((node, location)) = merged {
            merge(&mut entries, node, location)?;
        }
        Ok(entries)
    }
}

/// How many levels of lists and tables a value is, itself included.
fn height(node: &Node) -> usize {
    let below = match &node.kind {
        NodeKind::List(items) => items.iter().map(height).max(),
        NodeKind::Table(entries) => entries.iter().map(|entry| height(&entry.node)).max(),
        NodeKind::Null | NodeKind::Scalar(_) => None,
    };
    1 + below.unwrap_or(0)
}

fn spend(spent: &mut usize, weight: usize, location: Location) -> Result<(), SyntaxError> {
    *spent += weight;
    if *spent > MAX_WEIGHT { Err(SyntaxError::new(location, "its aliases unfold to too much")) } else { Ok(()) }
}

/// Takes over the keys of other tables that are not set yet: YAML 1.1's merge key, which people still write.
fn merge(entries: &mut Vec<Entry>, node: Node, location: Location) -> Result<(), SyntaxError> {
    let refused = || SyntaxError::new(location, "only a table or a list of tables can be merged with `<<`");
    let tables = match node.kind {
        NodeKind::List(tables) => tables,
        _ => vec![node],
    };
    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for table in tables {
        let NodeKind::Table(others) = table.kind else { return Err(refused()) };
        for other in others {
            if known.insert(other.key.clone()) {
                entries.push(other);
            }
        }
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, location: Location) -> Result<Node, SyntaxError> {
    if style != ScalarStyle::Plain {
        refuse_tag(tag, "str", location)?;
        return Ok(Node::scalar(location, ScalarKind::Text, text));
    }
    match tag {
        None => {}
        Some(tag) if tag.is_yaml_core_schema() => {
            if tag.suffix == "str" {
                return Ok(Node::scalar(location, ScalarKind::Text, text));
            }
            if !matches!(tag.suffix.as_str(), "null" | "bool" | "int" | "float") {
                return Err(unknown_tag(tag, location));
            }
        }
        Some(tag) => return Err(unknown_tag(tag, location)),
    }
    Ok(match plain_kind(text) {
        None => Node::null(location),
        Some(kind) => Node::scalar(location, kind, text),
    })
}

/// What a plain word is in the core schema; none is null.
fn plain_kind(text: &str) -> Option<ScalarKind> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => None,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Some(ScalarKind::Boolean),
        _ if is_integer(text) => Some(ScalarKind::Integer),
        _ if is_float(text) => Some(ScalarKind::Float),
        _ => Some(ScalarKind::Text),
    }
}

fn is_integer(text: &str) -> bool {
    let all = |digits: &str, is_digit: fn(&char) -> bool| !digits.is_empty() && digits.chars().all(|c| is_digit(&c));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, char::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |c| matches!(c, '0'..='7'));
    }
    all(text.strip_prefix(['+', '-']).unwrap_or(text), char::is_ascii_digit)
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    // The standard library's floats are these and a few names, which begin with a letter.
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok()
}

fn refuse_tag(tag: Option<&Tag>, allowed: &str, location: Location) -> Result<(), SyntaxError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == allowed) => Err(unknown_tag(tag, location)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, location: Location) -> SyntaxError {
    SyntaxError::new(location, format!("tag `{}{}` has no meaning here", tag.handle, tag.suffix))
}

fn syntax_error(err: &ScanError) -> SyntaxError {
    SyntaxError::new(location_of(err.marker()), err.info())
}

fn location_of(marker: &Marker) -> Location {
    let as_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Location { line: as_u32(marker.line().max(1)), column: as_u32(marker.col().saturating_add(1)) }
}
