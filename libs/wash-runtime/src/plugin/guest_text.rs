//! Makes text of a guest fit for one line of a log.
//!
//! It does not judge the text: every character stays readable, in itself or as an escape.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with control characters, line separators and changes of direction escaped, and cut after `limit` bytes.
pub(crate) fn printable(text: &str, limit: usize) -> Cow<'_, str> {
    let shown = &text[..text.floor_char_boundary(limit)];
    if shown.len() == text.len() && !shown.contains(misleads) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(shown.len() + 32);
    for character in shown.chars() {
        if misleads(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if shown.len() < text.len() {
        // Writing to a string cannot fail.
        _ = write!(line, " [{} more bytes]", text.len() - shown.len());
    }
    Cow::Owned(line)
}

/// Whether a terminal or a viewer would show something else than the characters one after the other.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_honest_line() {
        for (text, expected) in [
            ("", ""),
            ("plain größe 値", "plain größe 値"),
            ("two\nlines\r\n", r"two\nlines\r\n"),
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("a\0b\tc\u{85}", r"a\u{0}b\tc\u{85}"),
            ("\u{202e}txt.exe\u{2069}", r"\u{202e}txt.exe\u{2069}"),
        ] {
            assert_eq!(printable(text, 100), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdef", 4), "abcd [2 more bytes]");
        assert_eq!(printable("aßc", 2), "a [3 more bytes]");
        assert_eq!(printable("abc", 0), " [3 more bytes]");
    }
}
