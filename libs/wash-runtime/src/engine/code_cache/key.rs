//! What an entry is found by: the component, and everything that has a say in its machine code.
//!
//! It trusts no name: an entry states its key itself.

use std::fmt;
use std::hash::{Hash, Hasher};

use wasmtime::Engine;

use crate::engine::digest::{ComponentDigest, hexadecimal};
use crate::engine::initial_data::MOST_COPIED;

/// Keeps these digests apart from all others of the same bytes.
const CONTEXT: &str = "wash-runtime key of a code cache entry";

const EXTENSION: &str = ".cwasm";

/// The name of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) struct EntryKey([u8; 32]);

/// A digest of how an engine compiles: target, processor features, settings, the compiler's version, and what is changed
/// before.
pub(in crate::engine) fn compatibility(engine: &Engine) -> [u8; 32] {
    let mut hasher = StableHasher(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    MOST_COPIED.hash(&mut hasher);
    *hasher.0.finalize().as_bytes()
}

impl EntryKey {
    pub(in crate::engine) fn new(component: &ComponentDigest, compatibility: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(component.as_bytes()).update(compatibility).update(env!("CARGO_PKG_VERSION").as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn file_name(&self) -> String {
        file_name(&self.to_string())
    }

    /// The key of the entry whose file has this name.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let key = name.strip_suffix(EXTENSION).filter(|key| key.len() == 64)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !key.bytes().all(is_digit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

pub(super) fn file_name(key: &str) -> String {
    format!("{key}{EXTENSION}")
}

/// 64 hexadecimal digits.
impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

/// Gives the same digest in every process, which the standard library's hashers do not promise.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.0.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_by_its_file() {
        let key = EntryKey::new(&ComponentDigest::of(b"component"), &[1; 32]);
        assert_eq!(EntryKey::of_file(&key.file_name()), Some(key));
        for name in ["secret", ".cwasm", "tmp-00", &key.to_string(), &key.file_name().to_uppercase()] {
            assert_eq!(EntryKey::of_file(name), None, "{name}");
        }
    }

    #[test]
    fn all_that_shapes_the_code_is_in_the_key() {
        let component = ComponentDigest::of(b"component");
        let key = |config: &wasmtime::Config| {
            EntryKey::new(&component, &compatibility(&Engine::new(config).expect("the configuration should be valid")))
        };
        let plain = key(&wasmtime::Config::new());
        assert_eq!(plain, key(&wasmtime::Config::new()));
        assert_ne!(plain, key(wasmtime::Config::new().epoch_interruption(true)));
        assert_ne!(plain, key(wasmtime::Config::new().cranelift_opt_level(wasmtime::OptLevel::None)));
        assert_ne!(plain, EntryKey::new(&ComponentDigest::of(b"another"), &compatibility(&Engine::default())));
    }
}
