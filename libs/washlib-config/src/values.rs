//! How each type of value is read from the tree, and what it is called in an error.
//!
//! Checks types alone: whether a path exists or an address can be served is for the tools to find out.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::deserialize::{Place, Shape, Value, normalized};
use crate::error::ConfigError;
use crate::node::{Node, NodeKind, Scalar, ScalarKind};

/// Text may be written as a number, a boolean or a date without quotes: it is the text that was written.
impl Value for String {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        match &node.kind {
            NodeKind::Scalar(scalar) => Ok(scalar.text.clone()),
            _ => Err(place.wrong_type(node, "text")),
        }
    }
}

impl Value for PathBuf {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        match &node.kind {
            NodeKind::Scalar(scalar) => Ok(Self::from(&scalar.text)),
            _ => Err(place.wrong_type(node, "a path")),
        }
    }
}

impl Value for bool {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        match &node.kind {
            NodeKind::Scalar(Scalar { kind: ScalarKind::Boolean, text }) => Ok(text.eq_ignore_ascii_case("true")),
            NodeKind::Scalar(Scalar { kind: ScalarKind::Untyped, text }) if text == "true" || text == "1" => Ok(true),
            NodeKind::Scalar(Scalar { kind: ScalarKind::Untyped, text }) if text == "false" || text == "0" => Ok(false),
            _ => Err(place.wrong_type(node, "true or false")),
        }
    }
}

impl Value for u16 {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        whole_number(node, place, Self::MAX.into())
    }
}

impl Value for u32 {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        whole_number(node, place, Self::MAX.into())
    }
}

fn whole_number<N: TryFrom<u64>>(node: &Node, place: &Place<'_>, max: u64) -> Result<N, ConfigError> {
    let number = match &node.kind {
        NodeKind::Scalar(Scalar { kind: ScalarKind::Integer | ScalarKind::Untyped, text }) => parse_integer(text),
        _ => None,
    };
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| place.wrong_type(node, format!("a whole number from 0 to {max}")))
}

/// Parses an integer in any notation that a format writes it in.
fn parse_integer(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.get(..2) {
        Some("0x") => (&text[2..], 16),
        Some("0o") => (&text[2..], 8),
        Some("0b") => (&text[2..], 2),
        _ => (text, 10),
    };
    // The standard library would take another sign here.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

impl Value for IpAddr {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let text = String::read(node, place)?;
        text.parse().map_err(|_| place.invalid_value(node, &text, &["an IP address"]))
    }
}

impl<T: Value> Value for Vec<T> {
    const SHAPE: Shape = Shape::Compound;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let NodeKind::List(items) = &node.kind else { return Err(place.wrong_type(node, "a list")) };
        items.iter().enumerate().map(|(index, item)| T::read(item, &place.item(index, item))).collect()
    }
}

/// Reads a value that is one of a few words; case and separators do not matter.
pub(crate) fn one_of<T: Copy>(node: &Node, place: &Place<'_>, words: &[(&str, T)]) -> Result<T, ConfigError> {
    let text = String::read(node, place)?;
    let found = words.iter().find(|(word, _)| normalized(word) == normalized(&text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        place.invalid_value(node, &text, &known)
    })
}
