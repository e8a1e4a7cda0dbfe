//! What the bytes of a file are: WebAssembly, WIT as text, or a provider archive.
//!
//! Recognises, and decodes as far as the commands need it; prints nothing.

use washlib_cli::CommandError;
use washlib_component::{DecodeError, Decoded, Kind, UnrecognizedError, decode, identify, parse_wit};

use crate::archive::{self, Archive};
use crate::command_error;
use crate::source::{Content, Source};

/// What a file is.
pub(crate) enum Artifact {
    /// A component, a WIT package in binary form, or a core module.
    Wasm(Kind),
    /// WIT as text, a file or a folder.
    Wit(Box<Decoded>),
    /// A provider archive of wasmCloud 1.x.
    Archive(Box<Archive>),
}

/// Recognises what was read.
pub(crate) fn recognize(source: &mut Source) -> Result<Artifact, CommandError> {
    let bytes = match std::mem::replace(&mut source.content, Content::Bytes(Vec::new())) {
        Content::Wit(decoded) => return Ok(Artifact::Wit(decoded)),
        Content::Bytes(bytes) => bytes,
    };
    let artifact = of_bytes(&source.name, &bytes);
    source.content = Content::Bytes(bytes);
    artifact
}

fn of_bytes(name: &str, bytes: &[u8]) -> Result<Artifact, CommandError> {
    if let Some(archive) = archive::read(bytes) {
        return archive
            .map(|archive| Artifact::Archive(Box::new(archive)))
            .map_err(|err| command_error::archive(name, err));
    }
    match identify(bytes) {
        Ok(kind) => Ok(Artifact::Wasm(kind)),
        Err(UnrecognizedError::NotWasm { description }) if description == "a WIT text" || name.ends_with(".wit") => {
            let text = std::str::from_utf8(bytes).map_err(|err| command_error::not_text(name, err))?;
            let decoded = parse_wit(name, text).map_err(|err| command_error::decode(name, err))?;
            Ok(Artifact::Wit(Box::new(decoded)))
        }
        Err(err) => Err(command_error::unrecognized(name, err)),
    }
}

impl Source {
    /// The file's bytes; none for a folder.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Wit(_) => &[],
        }
    }

    /// The bytes of a binary, for a command that needs one.
    pub(crate) fn wasm(&mut self) -> Result<&[u8], CommandError> {
        match recognize(self)? {
            Artifact::Wasm(_) => Ok(self.bytes()),
            Artifact::Wit(_) => Err(command_error::not_binary(&self.name, "WIT as text")),
            Artifact::Archive(_) => Err(command_error::not_binary(&self.name, "a provider archive")),
        }
    }

    /// The WIT of a binary or a text, for a command that needs it.
    pub(crate) fn decoded(&mut self) -> Result<Decoded, CommandError> {
        match recognize(self)? {
            Artifact::Wit(decoded) => Ok(*decoded),
            Artifact::Wasm(_) => {
                decode(self.bytes()).map_err(|err: DecodeError| command_error::decode(&self.name, err))
            }
            Artifact::Archive(_) => Err(command_error::not_binary(&self.name, "a provider archive")),
        }
    }
}
