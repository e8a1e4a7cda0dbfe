//! File names for names of any length and content.
//!
//! The names cannot leave their directory, differ by more than case and Unicode normalisation, and stay below 255 bytes.
//! A short name is readable: lower-case letters, digits, `-`, `_` and inner `.` stand for themselves, every other byte is
//! `%xx`. A long one is `~` and its BLAKE3 digest; the file then ends with a [trailer](trailer) that holds the name.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};

/// The longest readable file name, in bytes. Below the 255 of common file systems, and of 143 for encrypted ones.
const READABLE_LIMIT: usize = 140;

/// The length field at a trailer's end, in bytes.
const LENGTH_FIELD: u64 = 4;

/// A name as a file name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FileName {
    text: String,
    hashed: bool,
}

impl FileName {
    pub(crate) fn of(name: &str) -> Self {
        match readable(name) {
            Some(text) => Self { text, hashed: false },
            None => Self { text: format!("~{}", blake3::hash(name.as_bytes()).to_hex()), hashed: true },
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// What the file must end with, so that its name can be told later. Empty where the file name tells it.
    pub(crate) fn trailer(&self, name: &str) -> Vec<u8> {
        if !self.hashed {
            return Vec::new();
        }
        let mut trailer = name.as_bytes().to_vec();
        // A name longer than that does not fit into a guest's memory.
        trailer.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
        trailer
    }

    /// The length of the trailer of a file with this name.
    pub(crate) fn trailer_len(&self, name: &str) -> u64 {
        if self.hashed { name.len() as u64 + LENGTH_FIELD } else { 0 }
    }
}

/// What a file name says of the name it stands for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Decoded {
    /// The name itself.
    Name(String),
    /// The name stands at the file's end.
    InTrailer,
}

/// Reads a file name back. `None` for files that are nobody's: lock files, markers, and what somebody else put there.
pub(crate) fn decode(file_name: &OsStr) -> Option<Decoded> {
    let text = file_name.to_str()?;
    if digest_of(text).is_some() {
        return Some(Decoded::InTrailer);
    }
    let name = unescaped(if text == "%" { "" } else { text }, b'%')?;
    // Any other spelling of the same name would be a second file for it.
    (readable(&name).as_deref() == Some(text)).then_some(Decoded::Name(name))
}

/// The name whose bytes are those of a text, or stand in it as two hexadecimal digits behind the mark.
pub(crate) fn unescaped(text: &str, mark: u8) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != mark {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// A digest of two names together, which no other two share.
#[cfg(any(feature = "nats", feature = "wasmcloud-postgres"))]
pub(crate) fn digest_of_pair(outer: &str, inner: &str) -> [u8; blake3::OUT_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(outer.len() as u64).to_le_bytes()).update(outer.as_bytes()).update(inner.as_bytes());
    *hasher.finalize().as_bytes()
}

/// A number that spreads names evenly and stays the same for ever: the order of pages of names.
pub(crate) fn position(name: &str) -> u64 {
    first_eight(blake3::hash(name.as_bytes()).as_bytes())
}

/// The position of the name that a file name stands for.
pub(crate) fn position_of_file(file_name: &OsStr) -> Option<u64> {
    if let Some(digest) = file_name.to_str().and_then(digest_of) {
        return Some(first_eight(digest.as_bytes()));
    }
    match decode(file_name)? {
        Decoded::Name(name) => Some(position(&name)),
        Decoded::InTrailer => None,
    }
}

/// The name at a file's end.
pub(crate) fn read_trailer(file: &mut (impl Read + Seek)) -> io::Result<String> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the name at the file's end is damaged");
    let end = file.seek(SeekFrom::End(0))?;
    let start_of_length = end.checked_sub(LENGTH_FIELD).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(start_of_length))?;
    let mut length = [0; LENGTH_FIELD as usize];
    file.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    let start = start_of_length.checked_sub(length.into()).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(start))?;
    let mut name = vec![0; length as usize];
    file.read_exact(&mut name)?;
    String::from_utf8(name).map_err(|_| damaged())
}

fn readable(name: &str) -> Option<String> {
    let mut text = String::new();
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(byte.into()),
            b'.' if index > 0 => text.push('.'),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
        if text.len() > READABLE_LIMIT {
            return None;
        }
    }
    Some(if text.is_empty() { "%".to_string() } else { text })
}

fn digest_of(text: &str) -> Option<blake3::Hash> {
    let digits = text.strip_prefix('~')?;
    let digest = blake3::Hash::from_hex(digits).ok()?;
    (digest.to_hex().as_str() == digits).then_some(digest)
}

fn first_eight(bytes: &[u8; blake3::OUT_LEN]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Cursor;

    use super::*;

    #[test]
    fn every_name_has_a_safe_file_name_of_its_own() {
        let long = "x".repeat(1 << 16);
        let longer = format!("{long}x");
        let emoji = "😀".repeat(100);
        let names = [
            "",
            ".",
            "..",
            "...",
            "a",
            "A",
            "/",
            "a/b",
            "../../etc/passwd",
            "\0",
            "%",
            "%41",
            "%2e",
            "~",
            "~a",
            "con",
            "é",
            "e\u{301}",
            ".tmp",
            ".locks",
            "a.b",
            "a b",
            "😀",
            &emoji,
            &long,
            &longer,
            "ſ",
            "s",
            "\u{212a}",
            "K",
            "k",
        ];
        let mut seen = HashSet::new();
        for name in names {
            let file_name = FileName::of(name);
            let text = file_name.as_str();
            assert!(text.len() <= 143 && !text.is_empty(), "{text}");
            assert!(!text.starts_with('.') && !text.contains(['/', '\0']), "{text}");
            assert!(text.is_ascii() && text.to_ascii_lowercase() == text, "{text}");
            assert!(seen.insert(text.to_string()), "{text} stands for two names");
            assert_eq!(position_of_file(text.as_ref()), Some(position(name)));
            match decode(text.as_ref()) {
                Some(Decoded::Name(decoded)) => assert_eq!(decoded, name),
                Some(Decoded::InTrailer) => {
                    let mut file = b"content".to_vec();
                    file.extend(file_name.trailer(name));
                    assert_eq!(file.len() as u64, 7 + file_name.trailer_len(name));
                    assert_eq!(read_trailer(&mut Cursor::new(file)).unwrap(), name);
                }
                None => panic!("{text} cannot be read back"),
            }
        }
    }

    #[test]
    fn foreign_file_names_are_nobody_s() {
        for text in ["A", ".x", "%4", "%zz", "%2E", "%61", "~", "~12", "a%", "%ff", "%+1"] {
            assert_eq!(decode(text.as_ref()), None, "{text}");
        }
    }

    #[test]
    fn damaged_trailers_are_errors() {
        for bytes in [&b""[..], b"abc", b"abc\xff\xff\xff\xff", b"\xff\xff\x02\0\0\0"] {
            assert!(read_trailer(&mut Cursor::new(bytes)).is_err());
        }
    }
}
