//! Names of any length and content as names that NATS takes.
//!
//! What NATS takes as it is stays as it is, so that its own tools show it; every other byte is an escape.

use crate::plugin::storage::names::{digest_of_pair, unescaped};

/// The longest readable name, in bytes. A subject has to fit into a line of 4,096 bytes, a stream's name into a file name.
const LONGEST_KEY: usize = 1_000;
const LONGEST_BUCKET: usize = 180;

/// A key of a bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyName {
    pub(crate) text: String,
    /// Whether the text is only a digest, and the name has to stand elsewhere.
    pub(crate) is_digest: bool,
}

impl KeyName {
    /// Letters, digits, `-`, `_`, `/` and single inner dots stand for themselves, every other byte is `=xx`. A long name is
    /// `=h` and its BLAKE3 digest, and an empty one `=e`.
    pub(crate) fn of(name: &str) -> Self {
        if name.is_empty() {
            return Self { text: "=e".to_string(), is_digest: false };
        }
        let bytes = name.as_bytes();
        let mut text = String::with_capacity(bytes.len());
        for (index, byte) in bytes.iter().enumerate() {
            let is_inner = index > 0 && index + 1 < bytes.len() && bytes[index - 1] != b'.';
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => text.push(char::from(*byte)),
                b'.' if is_inner => text.push('.'),
                _ => text.push_str(&format!("={byte:02x}")),
            }
            if text.len() > LONGEST_KEY {
                let digest = blake3::hash(bytes).to_hex();
                return Self { text: format!("=h{digest}"), is_digest: true };
            }
        }
        Self { text, is_digest: false }
    }

    /// Whether the text is that of a digest.
    pub(crate) fn is_digest(text: &str) -> bool {
        text.starts_with("=h")
    }

    /// The name that a text stands for; none if it is nobody's, or a digest.
    pub(crate) fn read(text: &str) -> Option<String> {
        let name = unescaped(if text == "=e" { "" } else { text }, b'=')?;
        // Any other spelling would be a second key for the same name.
        (Self::of(&name).text == text).then_some(name)
    }
}

/// The bucket of a namespace: both names with two underscores in between. Letters, digits and `-` stand for themselves,
/// every other byte is `_xx`. Where that is too long, it is `_h` and a BLAKE3 digest.
pub(crate) fn bucket(namespace: &str, name: &str) -> String {
    let text = format!("{}__{}", bucket_part(namespace), bucket_part(name));
    if text.len() <= LONGEST_BUCKET {
        return text;
    }
    format!("_h{}", blake3::Hash::from_bytes(digest_of_pair(namespace, name)).to_hex())
}

fn bucket_part(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => text.push(char::from(byte)),
            _ => text.push_str(&format!("_{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_that_nats_takes_stay_as_they_are_and_others_have_their_own() {
        for plain in ["a", "A", "user/42", "a.b.c", "snake_case-and-more", "0"] {
            assert_eq!(KeyName::of(plain).text, plain);
        }
        let long = "x".repeat(1 << 16);
        let (longer, emoji) = (format!("{long}x"), "😀".repeat(400));
        let names = [
            "", ".", "..", "...", "a..b", "a.", ".a", "a...b", "=", "=e", "=h", "=61", " ", "\0", "a*b", ">", "é", "a",
        ];
        let mut seen = HashSet::new();
        for name in names.into_iter().chain([long.as_str(), &longer, &emoji]) {
            let KeyName { text, is_digest } = KeyName::of(name);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/=.".contains(c);
            assert!(text.chars().all(allowed) && text.len() < 1_010 && !text.is_empty(), "{text}");
            assert!(text.split('.').all(|token| !token.is_empty()), "{text}");
            assert!(seen.insert(text.clone()), "{text} stands for two names");
            assert_eq!(KeyName::is_digest(&text), is_digest);
            assert_eq!(KeyName::read(&text), Some(name.to_string()).filter(|_| !is_digest));
        }
        for foreign in ["=61", "=", "=6", "=zz", "=FF", "=ff"] {
            assert_eq!(KeyName::read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn buckets_of_namespaces_are_apart() {
        assert_eq!(bucket("default", "cache-1"), "default__cache-1");
        assert_eq!(bucket("default", "in_memory"), "default__in_5fmemory");
        let long = "n".repeat(300);
        let pairs =
            [("a", "b"), ("", "a/b"), ("a/b", ""), ("a_", "b"), ("a", "_b"), ("a__b", ""), ("", "a__b"), ("", "")];
        let mut seen = HashSet::new();
        for (namespace, name) in pairs.into_iter().chain([(long.as_str(), "x"), ("x", &long), (&long, &long)]) {
            let bucket = bucket(namespace, name);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            assert!(bucket.chars().all(allowed) && bucket.len() <= LONGEST_BUCKET, "{bucket}");
            assert!(seen.insert(bucket.clone()), "{bucket} stands for two buckets");
        }
    }
}
