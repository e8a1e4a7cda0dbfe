//! What the bytes of a layer are, and the module inside an archive.
//!
//! Nothing is unpacked to disk: one entry is read into memory, and its name is not used as a path.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};
use thiserror::Error;

/// Why the content is none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// Neither WebAssembly nor an archive.
    #[error("the layer is no WebAssembly: it begins with {beginning}")]
    NotWasm {
        /// Its first bytes, in hexadecimal digits.
        beginning: String,
    },
    /// The archive cannot be read.
    #[error("the layer's archive cannot be read")]
    Archive(#[source] io::Error),
    /// The archive holds no module.
    #[error("the layer's archive holds no file that is WebAssembly")]
    NoModule,
    /// The archive holds more than is read.
    #[error("the layer's archive holds more than {limit} bytes")]
    TooLarge {
        /// How many are read.
        limit: u64,
    },
}

/// What a layer's first bytes say that it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// A component or WIT package.
    Component,
    /// A core module.
    CoreModule,
    /// A gzip stream.
    Gzip,
    /// A tar archive.
    Tar,
    /// None of these.
    Other,
}

impl Content {
    /// Needs the first 262 bytes.
    pub(super) fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0, b'a', b's', b'm', _, _, 1, 0, ..] => Self::Component,
            [0, b'a', b's', b'm', ..] => Self::CoreModule,
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ if beginning.get(257..262) == Some(b"ustar") => Self::Tar,
            _ => Self::Other,
        }
    }
}

/// The module in an archive: `plugin.wasm`, else the first file that is WebAssembly.
pub(super) fn module<'a>(archive: impl Read + 'a, content: Content, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let inner: Box<dyn Read + 'a> = match content {
        Content::Gzip => Box::new(MultiGzDecoder::new(archive)),
        _ => Box::new(archive),
    };
    let mut limited = Limited { inner, left: limit };
    let found = search(&mut limited);
    match found {
        Err(_) if limited.left == 0 => Err(UnpackError::TooLarge { limit }),
        Err(err) => Err(UnpackError::Archive(err)),
        Ok(None) => Err(UnpackError::NoModule),
        Ok(Some(module)) => Ok(module),
    }
}

fn search(archive: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut first = None;
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let is_plugin = entry.path_bytes().ends_with(b"plugin.wasm");
        if first.is_some() && !is_plugin {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if matches!(Content::of(&bytes), Content::Component | Content::CoreModule) {
            if is_plugin {
                return Ok(Some(bytes));
            }
            first = Some(bytes);
        }
    }
    Ok(first)
}

/// Fails instead of giving more than it may.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("too much"));
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // `set_path` would refuse what hostile archives hold.
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn the_module_is_found() {
        let plain = archive(&[("runtime-config.json", b"{}"), ("other.wasm", COMPONENT), ("./plugin.wasm", MODULE)]);
        assert_eq!(Content::of(&plain), Content::Tar);
        assert_eq!(module(plain.as_slice(), Content::Tar, 1 << 20).unwrap(), MODULE);
        let zipped = zipped(&archive(&[("../../../etc/x", COMPONENT)]));
        assert_eq!(Content::of(&zipped), Content::Gzip);
        assert_eq!(module(zipped.as_slice(), Content::Gzip, 1 << 20).unwrap(), COMPONENT);
    }

    #[test]
    fn archives_without_one_and_bombs_are_errors() {
        let none = archive(&[("a", b"text")]);
        assert!(matches!(module(none.as_slice(), Content::Tar, 1 << 20), Err(UnpackError::NoModule)));
        let bomb = zipped(&archive(&[("a", &vec![0; 4 << 20])]));
        assert!(bomb.len() < 1 << 16);
        assert!(matches!(module(bomb.as_slice(), Content::Gzip, 1 << 20), Err(UnpackError::TooLarge { .. })));
        assert!(matches!(module(&b"\x1f\x8bgarbage"[..], Content::Gzip, 1 << 20), Err(UnpackError::Archive(_))));
    }

    #[test]
    fn contents() {
        assert_eq!(Content::of(COMPONENT), Content::Component);
        assert_eq!(Content::of(MODULE), Content::CoreModule);
        assert_eq!(Content::of(b"\0as"), Content::Other);
        assert_eq!(Content::of(b""), Content::Other);
    }
}
