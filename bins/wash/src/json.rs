//! JSON documents written by hand, in the layout of the tools' own.
//!
//! Writes only, and only what the front-end's envelope needs.

use std::fmt::{self, Write as _};

/// A JSON value. Fields keep their order.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
    /// A document that somebody else wrote.
    Raw(String),
}

impl Json {
    /// A list of texts.
    pub(crate) fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().cloned().map(Self::Text).collect())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => write_text(f, text),
            Self::Raw(document) => f.write_str(document.trim()),
            Self::List(items) => write_block(f, ['[', ']'], depth, items, |f, item| item.write(f, depth + 1)),
            Self::Object(fields) => write_block(f, ['{', '}'], depth, fields, |f, (name, value)| {
                write_text(f, name)?;
                f.write_str(": ")?;
                value.write(f, depth + 1)
            }),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

fn write_block<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    depth: usize,
    items: &[T],
    mut write_item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}\n{:indent$}", if i == 0 { "" } else { "," }, "", indent = 2 * (depth + 1))?;
        write_item(f, item)?;
    }
    if !items.is_empty() {
        write!(f, "\n{:indent$}", "", indent = 2 * depth)?;
    }
    f.write_char(close)
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(letter))?,
            _ => f.write_char(letter)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let text = Json::Text("\"\\\n\r\t\0\x1f\x7f é".into());
        assert_eq!(text.to_string(), r#""\"\\\n\r\t\u0000\u001f é""#.replace(" é", "\x7f é"));
    }

    #[test]
    fn blocks_are_indented_and_empty_ones_stay_short() {
        let document = Json::Object(vec![
            ("a", Json::List(vec![Json::Bool(true), Json::Object(vec![("b", Json::Null)])])),
            ("c", Json::texts(&[])),
        ]);
        let expected = "{\n  \"a\": [\n    true,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": []\n}";
        assert_eq!(document.to_string(), expected);
    }
}
