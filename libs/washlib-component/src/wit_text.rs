//! Bounds on WIT as text: how deep its types nest, and how long a chain of `use` can be.
//!
//! Knows comments and words, and no grammar: whether a text is WIT is its parser's to say.

use crate::LimitError;
use crate::limits::MAX_USES;

/// How deep the brackets of a WIT text may nest: its parser calls itself for each.
const MAX_BRACKETS: usize = 100;

/// What the texts of one package, and of what it depends on, have asked for so far.
#[derive(Clone, Debug, Default)]
pub struct WitBounds {
    n_uses: usize,
}

impl WitBounds {
    /// Refuses a text whose parser would call itself too often.
    ///
    /// # Errors
    ///
    /// When angle brackets are nested too deep, or `use` is written too often in all texts together.
    pub fn add(&mut self, text: &str) -> Result<(), LimitError> {
        let bytes = text.as_bytes();
        let (mut offset, mut depth) = (0, 0_usize);
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let length = comment(rest).unwrap_or_else(|| word(rest)).max(1);
            match &rest[..length] {
                b"<" => depth += 1,
                b">" => depth = depth.saturating_sub(1),
                b";" => depth = 0,
                // The interfaces of a world are completed along these, one call within another.
                b"use" => self.n_uses += 1,
                _ => {}
            }
            if depth > MAX_BRACKETS {
                return Err(LimitError::TooDeep { offset });
            }
            if self.n_uses > MAX_USES {
                return Err(LimitError::TooManyUses { offset });
            }
            offset += length;
        }
        Ok(())
    }
}

/// The length of the comment at the beginning. Those in `/*` and `*/` nest.
fn comment(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"//") {
        return Some(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
    }
    if !text.starts_with(b"/*") {
        return None;
    }
    let (mut position, mut depth) = (2, 1_usize);
    while depth > 0 {
        match text.get(position..)? {
            [] => return Some(text.len()),
            [b'/', b'*', ..] => (position, depth) = (position + 2, depth + 1),
            [b'*', b'/', ..] => (position, depth) = (position + 2, depth - 1),
            _ => position += 1,
        }
    }
    Some(position)
}

/// The length of the word at the beginning, or 0. `%use` is a name and no keyword.
fn word(text: &[u8]) -> usize {
    let is_in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'%') || !byte.is_ascii();
    text.iter().position(|byte| !is_in_word(byte)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), LimitError> {
        WitBounds::default().add(text)
    }

    #[test]
    fn comments_do_not_count() {
        let arrows = "<".repeat(500);
        for text in [
            format!("// {arrows}\npackage a:b;"),
            format!("/// {arrows}"),
            format!("/* {arrows} /* inner */ {arrows} */ package a:b;"),
            format!("/* {arrows}"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
        assert_eq!(check(&format!("// x\n{arrows}")), Err(LimitError::TooDeep { offset: 5 + MAX_BRACKETS }));
        assert_eq!(check(&format!("/* x */{arrows}")), Err(LimitError::TooDeep { offset: 7 + MAX_BRACKETS }));
        assert_eq!(check("/"), Ok(()));
    }

    #[test]
    fn uses_are_counted_over_all_texts() {
        let mut bounds = WitBounds::default();
        bounds.add(&"use a; ".repeat(MAX_USES)).unwrap();
        bounds.add("interface used { %use: func(); re-use: func(); /* use */ } // use").unwrap();
        assert_eq!(bounds.add("use b;"), Err(LimitError::TooManyUses { offset: 0 }));
    }
}
