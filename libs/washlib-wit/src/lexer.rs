//! Splits WIT text into tokens with their positions, comments included: what an edit that keeps everything else needs.
//!
//! wit-parser's own tokenizer is not public. This one never fails: text that is no WIT gives tokens that mean nothing,
//! and wit-parser, which reads the same text, says what is wrong with it.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A keyword, an identifier with or without `%`, or a number.
    Word,
    /// One character that is none of the others.
    Punctuation(u8),
    /// `/// …` or `/** … */`, which belongs to what follows.
    Documentation,
    /// Any other comment.
    Comment,
    /// Text in quotes.
    Text,
}

/// A token and where it is, in bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// All tokens of `text`, in its order; blanks are between them.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = line_end(bytes, at);
                // Four slashes are a line in a comment, not documentation.
                let text = &bytes[start..at];
                if text.starts_with(b"///") && !text.starts_with(b"////") { Kind::Documentation } else { Kind::Comment }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = block_end(bytes, at);
                let is_documentation = bytes[start..at].starts_with(b"/**") && at - start > 4;
                if is_documentation { Kind::Documentation } else { Kind::Comment }
            }
            b'"' => {
                at = text_end(bytes, at);
                Kind::Text
            }
            _ if is_word(byte) || byte == b'%' => {
                at += 1;
                // `-` joins words, but `->` is an arrow.
                while bytes.get(at).is_some_and(|byte| {
                    is_word(*byte) || *byte == b'-' && bytes.get(at + 1).is_some_and(|next| is_word(*next))
                }) {
                    at += 1;
                }
                Kind::Word
            }
            _ => {
                at += 1;
                while !text.is_char_boundary(at) {
                    at += 1;
                }
                Kind::Punctuation(byte)
            }
        };
        tokens.push(Token { kind, span: start..at });
    }
    tokens
}

/// The end of the version that begins at `start`, right after an `@`; `start` itself when there is none.
pub(crate) fn version_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return start;
    }
    let length =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'))).unwrap_or(rest.len());
    // In `use a:b/c@1.0.0.{d}` the last dot belongs to the list.
    start + rest[..length].trim_end_matches('.').len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn block_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.span]).collect()
    }

    #[test]
    fn tokens_are_found_between_blanks_and_comments() {
        assert_eq!(
            words("use a-b:c/%use.{d as e}; // x\n/* y /* z */ */f: func()->u8;"),
            [
                "use",
                "a-b",
                ":",
                "c",
                "/",
                "%use",
                ".",
                "{",
                "d",
                "as",
                "e",
                "}",
                ";",
                "// x",
                "/* y /* z */ */",
                "f",
                ":",
                "func",
                "(",
                ")",
                "-",
                ">",
                "u8",
                ";"
            ]
        );
    }

    #[test]
    fn documentation_is_told_from_comments() {
        let kinds: Vec<Kind> =
            tokens("/// a\n//// b\n// c\n/** d */ /* e */ /**/").into_iter().map(|token| token.kind).collect();
        let (d, c) = (Kind::Documentation, Kind::Comment);
        assert_eq!(kinds, [d, c, c, d, c, c]);
    }

    #[test]
    fn versions_end_before_the_list() {
        for (text, version) in [
            ("0.2.0;", "0.2.0"),
            ("0.2.0.{a}", "0.2.0"),
            ("0.2.0-draft.1.{a}", "0.2.0-draft.1"),
            ("1.0.0-rc-2+b.7 {", "1.0.0-rc-2+b.7"),
            ("since", ""),
        ] {
            assert_eq!(&text[..version_end(text, 0)], version);
        }
    }

    #[test]
    fn text_that_is_no_wit_ends_too() {
        for text in ["/*", "/* /* */", "\"", "\"\\", "é\u{feff}→", "%", "-", "//"] {
            let _ = tokens(text);
        }
    }
}
