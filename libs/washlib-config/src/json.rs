//! JSON into the tree of values with their places.
//!
//! serde_json judges whether a text is JSON and decodes its strings; what is here walks a text that is JSON to find
//! where each value begins, which serde_json does not tell.

use serde_json::Value;

use crate::node::{Entry, LineIndex, Location, MAX_DEPTH, Node, NodeKind, ScalarKind, SyntaxError};

/// Parses a document.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    // Built and dropped: only a value built in full has all its strings and numbers checked.
    serde_json::from_str::<Value>(text).map_err(|err| syntax_error(&err))?;
    let mut walk = Walk { text, at: 0, lines: LineIndex::new(text) };
    walk.value(MAX_DEPTH)
}

fn syntax_error(err: &serde_json::Error) -> SyntaxError {
    let as_u32 = |number: usize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
    let message = err.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    SyntaxError::new(Location { line: as_u32(err.line()), column: as_u32(err.column()) }, reason)
}

/// A way through a text that is known to be JSON. Where it is not after all, an error says where.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    lines: LineIndex<'t>,
}

impl Walk<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.skip_whitespace();
        let location = self.location();
        if depth == 0 {
            return Err(SyntaxError::too_deep(location));
        }
        match self.peek() {
            Some(b'{') => Ok(Node { location, kind: NodeKind::Table(self.table(depth)?) }),
            Some(b'[') => Ok(Node { location, kind: NodeKind::List(self.list(depth)?) }),
            Some(b'"') => Ok(Node::scalar(location, ScalarKind::Text, self.string()?)),
            _ => Ok(match self.word() {
                "null" => Node::null(location),
                word @ ("true" | "false") => Node::scalar(location, ScalarKind::Boolean, word),
                number if number.contains(['.', 'e', 'E']) => Node::scalar(location, ScalarKind::Float, number),
                number => Node::scalar(location, ScalarKind::Integer, number),
            }),
        }
    }

    fn table(&mut self, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries = Vec::new();
        self.expect(b'{')?;
        while self.has_next(b'}')? {
            let location = self.location();
            let key = self.string()?;
            self.skip_whitespace();
            self.expect(b':')?;
            entries.push(Entry { key, location, node: self.value(depth - 1)? });
        }
        Ok(entries)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        self.expect(b'[')?;
        while self.has_next(b']')? {
            items.push(self.value(depth - 1)?);
        }
        Ok(items)
    }

    /// Steps over a comma, or over the end of the list or table.
    fn has_next(&mut self, end: u8) -> Result<bool, SyntaxError> {
        self.skip_whitespace();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_whitespace();
        }
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if self.peek().is_none() { Err(self.unexpected()) } else { Ok(true) }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let location = self.location();
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.unexpected()),
            }
        }
        self.at += 1;
        let literal = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(literal).map_err(|err| SyntaxError::new(location, syntax_error(&err).reason))
    }

    /// A number or one of the three names.
    fn word(&mut self) -> &str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn skip_whitespace(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn location(&self) -> Location {
        self.lines.locate(self.at)
    }

    fn unexpected(&self) -> SyntaxError {
        SyntaxError::new(self.location(), "unexpected character")
    }
}
