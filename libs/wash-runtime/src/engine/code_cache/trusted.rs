//! Machine code that may run: just compiled here, or proven to be what this user's process compiled before.
//!
//! It is the only place where bytes become code, and its types are the proof that the bytes may.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::EntryKey;
use super::artifact::{self, Flaw, Secret};

/// Code that came from our own compiler. Every way to make one is in this file.
pub(in crate::engine) struct TrustedCode {
    source: Source,
}

enum Source {
    /// A checked entry that can be mapped.
    File(File),
    /// Machine code alone.
    Memory(Vec<u8>),
}

impl TrustedCode {
    /// Compiles a component.
    pub(in crate::engine) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Self> {
        Ok(Self { source: Source::Memory(engine.precompile_component(component)?) })
    }

    /// Checks an entry, so that its file can be mapped.
    pub(super) fn mapped(file: &File, secret: &Secret, key: &EntryKey) -> io::Result<Result<Self, Flaw>> {
        Ok(match artifact::check(file, secret, key)? {
            Ok(_) => Ok(Self { source: Source::File(file.try_clone()?) }),
            Err(flaw) => Err(flaw),
        })
    }

    /// Reads an entry and checks the copy.
    pub(super) fn copied(mut file: &File, secret: &Secret, key: &EntryKey) -> io::Result<Result<Self, Flaw>> {
        let mut copy = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut copy)?;
        let Some(length) = artifact::check_copy(&copy, secret, key).map(<[u8]>::len) else {
            return Ok(Err("its checksum is wrong"));
        };
        copy.truncate(length);
        Ok(Ok(Self { source: Source::Memory(copy) }))
    }

    /// The machine code, if it is in memory.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match &self.source {
            Source::File(_) => None,
            Source::Memory(code) => Some(code),
        }
    }

    /// Makes the code executable.
    #[expect(unsafe_code, reason = "wasmtime cannot know where code comes from; this type does")]
    pub(in crate::engine) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: wasmtime asks that the bytes come from its own compiler, and that a mapped file stays as it is.
        // The invariant of `TrustedCode` is the first: `compile` takes them from there, and the other constructors
        // take only what carries a checksum made with a secret that nobody but this user can read, in a directory
        // that nobody but this user can write. As to the second, the descriptor leads to the very file that was
        // checked, whatever its name leads to by now. Such files are made by `PrivateDirectory::write` alone: they are
        // complete and read-only before they get their name, and later replaced or unlinked as a whole, never opened
        // for writing and never truncated.
        unsafe {
            match &self.source {
                Source::File(file) => {
                    Component::deserialize_file(engine, format!("/proc/self/fd/{}", file.as_raw_fd()))
                }
                Source::Memory(code) => Component::deserialize(engine, code),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::code_cache::artifact::{Description, trailer};
    use crate::engine::digest::ComponentDigest;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    /// What is done where a file cannot be mapped.
    #[test]
    fn a_copy_is_checked_like_the_file() {
        let engine = Engine::default();
        let (secret, component) = ([7; 32], ComponentDigest::of(COMPONENT));
        let key = EntryKey::new(&component, &[0; 32]);
        let compiled = TrustedCode::compile(&engine, COMPONENT).unwrap();
        let code = compiled.bytes().unwrap();
        let (code_length, component_length) = (code.len() as u64, COMPONENT.len() as u64);
        let description = Description { key, component, code_length, component_length };
        let entry = [code, &trailer(&secret, code, &description)].concat();
        let directory = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = directory.path().join("entry");
            std::fs::write(&path, content).unwrap();
            File::open(path).unwrap()
        };

        let copied = TrustedCode::copied(&file(&entry), &secret, &key).unwrap();
        assert!(copied.unwrap().load(&engine).is_ok());
        assert!(TrustedCode::mapped(&file(&entry), &secret, &key).unwrap().is_ok());
        let another_key = EntryKey::new(&component, &[1; 32]);
        for position in (0..entry.len()).step_by(97).chain(code.len()..entry.len()) {
            let mut changed = entry.clone();
            changed[position] ^= 0x80;
            assert!(TrustedCode::copied(&file(&changed), &secret, &key).unwrap().is_err(), "{position}");
            assert!(TrustedCode::mapped(&file(&changed), &secret, &key).unwrap().is_err(), "{position}");
        }
        for length in [0, 1, 31, 127, 128, entry.len() - 1] {
            assert!(TrustedCode::copied(&file(&entry[..length]), &secret, &key).unwrap().is_err(), "{length}");
        }
        assert!(TrustedCode::copied(&file(&entry), &[8; 32], &key).unwrap().is_err());
        assert!(TrustedCode::copied(&file(&entry), &secret, &another_key).unwrap().is_err());
        assert!(TrustedCode::mapped(&file(&entry), &secret, &another_key).unwrap().is_err());
    }
}
