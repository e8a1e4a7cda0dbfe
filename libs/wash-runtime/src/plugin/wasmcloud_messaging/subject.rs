//! Subjects and subscription patterns as NATS defines them: tokens joined by dots, `*` for one, a final `>` for the rest.
//!
//! It does not route; the subject tree does.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Bytes of a subject. NATS servers take a protocol line of 4,096 bytes, in which two subjects have to fit.
pub(super) const LONGEST_SUBJECT: usize = 1024;

const ANY: &str = "*";
const REST: &str = ">";

/// Why a text is neither a subject nor a pattern.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidSubject {
    /// It has no character.
    #[error("a subject must not be empty")]
    Empty,
    /// A dot at its start or end, or two in a row.
    #[error("a subject must not have an empty token")]
    EmptyToken,
    /// White space or a control character.
    #[error("a subject must not contain white space or control characters")]
    Character,
    /// Longer than any broker takes.
    #[error("a subject must not be longer than {LONGEST_SUBJECT} bytes")]
    TooLong,
    /// `*` or `>` in a subject that names one message.
    #[error("a wildcard is for subscriptions only")]
    Wildcard,
    /// `>` before the last token of a pattern.
    #[error("`>` must be the last token")]
    RestNotLast,
}

/// Where a message goes: no token of it is a wildcard.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Subject(Arc<str>);

/// Which messages a subscription is for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Pattern(Arc<str>);

/// A token of a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token<'a> {
    Literal(&'a str),
    Any,
    Rest,
}

impl Subject {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidSubject> {
        check(text)?;
        if text.split('.').any(|token| token == ANY || token == REST) {
            return Err(InvalidSubject::Wildcard);
        }
        Ok(Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the subject belongs to the machinery: the protocol between hosts and their scheduler, the broker's own
    /// services, and inboxes of requests.
    pub(super) fn is_reserved(&self) -> bool {
        is_reserved_token(self.tokens().next().unwrap_or_default())
    }

    /// Whether answers to somebody's request go there, on this server or through others.
    #[cfg(feature = "nats")]
    pub(super) fn is_inbox(&self) -> bool {
        matches!(self.tokens().next(), Some("_INBOX" | "_R_" | "_GR_"))
    }
}

impl Pattern {
    /// Whether the pattern is for messages with this subject.
    #[cfg(feature = "nats")]
    pub(super) fn covers(&self, subject: &Subject) -> bool {
        let mut tokens = subject.tokens();
        for token in self.tokens() {
            match (token, tokens.next()) {
                (Token::Rest, Some(_)) => return true,
                (Token::Any, Some(_)) => {}
                (Token::Literal(literal), Some(token)) if literal == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    pub(super) fn parse(text: &str) -> Result<Self, InvalidSubject> {
        check(text)?;
        let mut tokens = text.split('.');
        if tokens.any(|token| token == REST) && tokens.next().is_some() {
            return Err(InvalidSubject::RestNotLast);
        }
        Ok(Self(text.into()))
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = Token<'_>> {
        self.0.split('.').map(|token| match token {
            ANY => Token::Any,
            REST => Token::Rest,
            literal => Token::Literal(literal),
        })
    }

    /// Whether the pattern names reserved subjects. One that merely covers them with a wildcard does not: it is never
    /// given such a message.
    pub(super) fn is_reserved(&self) -> bool {
        is_reserved_token(self.0.split('.').next().unwrap_or_default())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), InvalidSubject> {
    if text.is_empty() {
        return Err(InvalidSubject::Empty);
    }
    if text.len() > LONGEST_SUBJECT {
        return Err(InvalidSubject::TooLong);
    }
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(InvalidSubject::Character);
    }
    if text.split('.').any(str::is_empty) {
        return Err(InvalidSubject::EmptyToken);
    }
    Ok(())
}

/// `$` opens the services of a NATS server (`$SYS`, `$JS`, `$KV`, ...), `_R_` and `_GR_` its own reply subjects.
fn is_reserved_token(first: &str) -> bool {
    first.starts_with('$') || matches!(first, "runtime" | "_INBOX" | "_R_" | "_GR_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_checked() {
        for (text, expected) in [
            ("a", Ok(())),
            ("orders.created", Ok(())),
            ("a*.b>c.>>", Ok(())),
            ("größe.値", Ok(())),
            ("", Err(InvalidSubject::Empty)),
            (".", Err(InvalidSubject::EmptyToken)),
            (".a", Err(InvalidSubject::EmptyToken)),
            ("a.", Err(InvalidSubject::EmptyToken)),
            ("a..b", Err(InvalidSubject::EmptyToken)),
            ("a b", Err(InvalidSubject::Character)),
            ("a\r\nPUB x", Err(InvalidSubject::Character)),
            ("a\0", Err(InvalidSubject::Character)),
            ("a\u{a0}b", Err(InvalidSubject::Character)),
            ("*", Err(InvalidSubject::Wildcard)),
            ("a.*.b", Err(InvalidSubject::Wildcard)),
            ("a.>", Err(InvalidSubject::Wildcard)),
        ] {
            assert_eq!(Subject::parse(text).map(|_| ()), expected, "{text:?}");
        }
        assert!(Subject::parse(&"x".repeat(LONGEST_SUBJECT)).is_ok());
        assert_eq!(Subject::parse(&"x".repeat(LONGEST_SUBJECT + 1)), Err(InvalidSubject::TooLong));
    }

    #[test]
    fn patterns_are_checked() {
        for (text, expected) in [
            ("a.b", Ok(())),
            ("*", Ok(())),
            (">", Ok(())),
            ("a.*.c.>", Ok(())),
            ("a>.b", Ok(())),
            ("a.>.b", Err(InvalidSubject::RestNotLast)),
            (">.a", Err(InvalidSubject::RestNotLast)),
            (">.>", Err(InvalidSubject::RestNotLast)),
            ("a..>", Err(InvalidSubject::EmptyToken)),
            ("a .>", Err(InvalidSubject::Character)),
        ] {
            assert_eq!(Pattern::parse(text).map(|_| ()), expected, "{text:?}");
        }
    }

    #[cfg(feature = "nats")]
    #[test]
    fn patterns_cover_subjects() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.b.c", "a.b", false),
            ("a.*", "a.b", true),
            ("*", "a.b", false),
            (">", "a.b", true),
            ("a.>", "a", false),
            ("a.>", "a.b.c", true),
            ("*.b", "a.c", false),
        ] {
            let (pattern, subject) = (Pattern::parse(pattern).unwrap(), Subject::parse(subject).unwrap());
            assert_eq!(pattern.covers(&subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn reserved_subjects_are_recognised() {
        for text in ["runtime", "runtime.host.x.workload.start", "$SYS.REQ", "$JS.API.INFO", "$x", "_INBOX.a", "_R_.a"]
        {
            assert!(Subject::parse(text).unwrap().is_reserved(), "{text}");
            assert!(Pattern::parse(text).unwrap().is_reserved(), "{text}");
        }
        for text in ["runtimes.a", "Runtime.a", "a.runtime", "a.$SYS", "inbox", "_INBOXES.a"] {
            assert!(!Subject::parse(text).unwrap().is_reserved(), "{text}");
        }
        assert!(!Pattern::parse(">").unwrap().is_reserved());
        assert!(Pattern::parse("runtime.>").unwrap().is_reserved());
    }
}
