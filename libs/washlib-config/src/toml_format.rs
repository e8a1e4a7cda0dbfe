//! TOML into the tree of values with their places.
//!
//! The `toml` crate parses, bounds the nesting and refuses duplicate keys; what is here only changes the shape.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Entry, LineIndex, Node, NodeKind, ScalarKind, SyntaxError};

/// Parses a document.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = LineIndex::new(text);
    let table = DeTable::parse(text).map_err(|err| syntax_error(&lines, &err))?;
    let location = lines.locate(table.span().start);
    Ok(Node { location, kind: table_to_kind(table.into_inner(), &lines) })
}

/// Parses a value by itself, such as an inline table.
pub(crate) fn parse_value(text: &str) -> Result<Node, SyntaxError> {
    let lines = LineIndex::new(text);
    let value = DeValue::parse(text).map_err(|err| syntax_error(&lines, &err))?;
    Ok(to_node(value, &lines))
}

fn syntax_error(lines: &LineIndex<'_>, err: &toml::de::Error) -> SyntaxError {
    let reason = err.message().split_whitespace().collect::<Vec<_>>().join(" ");
    SyntaxError::new(lines.locate(err.span().map_or(0, |span| span.start)), reason)
}

/// The parser bounds how deep this recurses.
fn to_node(value: Spanned<DeValue<'_>>, lines: &LineIndex<'_>) -> Node {
    let location = lines.locate(value.span().start);
    let scalar = |kind, text| Node::scalar(location, kind, text);
    match value.into_inner() {
        DeValue::String(text) => scalar(ScalarKind::Text, text.into_owned()),
        DeValue::Integer(number) => scalar(ScalarKind::Integer, number.to_string()),
        DeValue::Float(number) => scalar(ScalarKind::Float, number.to_string()),
        DeValue::Boolean(boolean) => scalar(ScalarKind::Boolean, boolean.to_string()),
        DeValue::Datetime(date) => scalar(ScalarKind::Date, date.to_string()),
        DeValue::Array(items) => {
            Node { location, kind: NodeKind::List(items.into_iter().map(|item| to_node(item, lines)).collect()) }
        }
        DeValue::Table(table) => Node { location, kind: table_to_kind(table, lines) },
    }
}

fn table_to_kind(table: DeTable<'_>, lines: &LineIndex<'_>) -> NodeKind {
    let mut pairs: Vec<_> = table.into_iter().collect();
    // The parser sorts by name; errors and provenance follow the text.
    pairs.sort_by_key(|(key, _)| key.span().start);
    let entries = pairs.into_iter().map(|(key, value)| Entry {
        location: lines.locate(key.span().start),
        key: key.into_inner().into_owned(),
        node: to_node(value, lines),
    });
    NodeKind::Table(entries.collect())
}
