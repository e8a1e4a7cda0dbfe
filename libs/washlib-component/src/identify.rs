//! Tells from its first bytes what a file is, so that a wrong file gets an answer that helps.
//!
//! Looks at the header only; whether the rest is valid is [`crate::validate`]'s question.

/// The four bytes that every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";
/// Version 1, layer 0: a core module (WebAssembly core specification, binary format, modules).
const MODULE: [u8; 4] = [0x01, 0x00, 0x00, 0x00];
/// Version 13, layer 1: a component (component-model specification, binary format).
const COMPONENT: [u8; 4] = [0x0d, 0x00, 0x01, 0x00];

/// Which of the two binary formats a file is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The component-model layer: a component, or a WIT package in its binary form.
    Component,
    /// A core module.
    CoreModule,
}

/// A file that is no WebAssembly binary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnrecognizedError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It stops before the eight bytes of the header are over.
    #[error("the file ends after {length} bytes, inside the WebAssembly header")]
    TruncatedHeader {
        /// How many bytes there are.
        length: usize,
    },
    /// A WebAssembly binary of a version that no tool writes any more, or not yet.
    #[error("the file is WebAssembly of an unknown version (header bytes {version:02x?})")]
    UnknownVersion {
        /// The four bytes after the magic number.
        version: [u8; 4],
    },
    /// Something else.
    #[error("the file is {description}, not a WebAssembly binary")]
    NotWasm {
        /// What the bytes look like, with an article.
        description: &'static str,
    },
}

/// Reads the header.
///
/// # Errors
///
/// When the bytes are not those of a WebAssembly binary; the error says what they look like instead.
pub fn identify(bytes: &[u8]) -> Result<Kind, UnrecognizedError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(not_wasm(bytes));
    };
    match rest.first_chunk::<4>() {
        Some(&MODULE) => Ok(Kind::CoreModule),
        Some(&COMPONENT) => Ok(Kind::Component),
        Some(&version) => Err(UnrecognizedError::UnknownVersion { version }),
        None => Err(UnrecognizedError::TruncatedHeader { length: bytes.len() }),
    }
}

fn not_wasm(bytes: &[u8]) -> UnrecognizedError {
    if bytes.is_empty() {
        return UnrecognizedError::Empty;
    }
    if MAGIC.starts_with(bytes) {
        return UnrecognizedError::TruncatedHeader { length: bytes.len() };
    }
    let description = match bytes {
        [0x7f, b'E', b'L', b'F', ..] => "a native ELF program",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a native Mach-O program",
        [b'M', b'Z', ..] => "a native Windows program",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        [b'P', b'K', 0x03, 0x04, ..] => "a zip archive",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "a static library",
        [b'%', b'P', b'D', b'F', b'-', ..] => "a PDF document",
        [0x89, b'P', b'N', b'G', ..] => "a PNG image",
        [0xff, 0xd8, 0xff, ..] => "a JPEG image",
        // Where the first header of a tar file says that it is one (POSIX, pax).
        _ if bytes.get(257..262) == Some(b"ustar") => "a tar archive",
        _ => text_description(bytes),
    };
    UnrecognizedError::NotWasm { description }
}

fn text_description(bytes: &[u8]) -> &'static str {
    let beginning = &bytes[..bytes.len().min(1024)];
    // A character may be cut in two at the end of the sample.
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        Err(err) if err.error_len().is_none() => std::str::from_utf8(&beginning[..err.valid_up_to()]).unwrap_or(""),
        Err(_) => return "unknown binary data",
    };
    if text.contains('\0') {
        return "unknown binary data";
    }
    let trimmed = text.trim_start();
    let starts_with = |word: &str| trimmed.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts_with("(module") || starts_with("(component") {
        "WebAssembly in its text form"
    } else if starts_with("<!doctype") || starts_with("<html") {
        "an HTML page"
    } else if trimmed.starts_with('{') {
        "a JSON document"
    } else if trimmed.starts_with("package ") || trimmed.starts_with("interface ") || trimmed.starts_with("world ") {
        "a WIT text"
    } else {
        "a text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(identify(b"\0asm\x01\0\0\0"), Ok(Kind::CoreModule));
        assert_eq!(identify(b"\0asm\x0d\0\x01\0rest"), Ok(Kind::Component));
        assert_eq!(identify(b""), Err(UnrecognizedError::Empty));
        assert_eq!(identify(b"\0as"), Err(UnrecognizedError::TruncatedHeader { length: 3 }));
        assert_eq!(identify(b"\0asm\x0d"), Err(UnrecognizedError::TruncatedHeader { length: 5 }));
        assert_eq!(identify(b"\0asm\x0a\0\x01\0"), Err(UnrecognizedError::UnknownVersion { version: [0x0a, 0, 1, 0] }));
    }

    #[test]
    fn other_files_are_called_by_their_name() {
        let description = |bytes: &[u8]| match identify(bytes) {
            Err(UnrecognizedError::NotWasm { description }) => description,
            other => panic!("{other:?}"),
        };
        assert_eq!(description(b"hello\n"), "a text");
        assert_eq!(description(b"  (module)"), "WebAssembly in its text form");
        assert_eq!(description(b"<!DOCTYPE html>"), "an HTML page");
        assert_eq!(description(b"package a:b;"), "a WIT text");
        assert_eq!(description(b"\x7fELF\x02"), "a native ELF program");
        assert_eq!(description(&[0xff, 0xfe, 0x00]), "unknown binary data");
        assert_eq!(description(b"%PDF-1.7\n"), "a PDF document");
        assert_eq!(description(b"\x89PNG\r\n\x1a\n"), "a PNG image");
        let mut tar = b"readme".to_vec();
        tar.resize(512, 0);
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(description(&tar), "a tar archive");
        let mut cut = "é".repeat(600).into_bytes();
        cut.insert(0, b'x');
        assert_eq!(description(&cut), "a text");
    }
}
