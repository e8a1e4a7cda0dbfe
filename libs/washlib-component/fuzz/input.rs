//! What a fuzzer's bytes stand for: themselves, or what a generator makes of them, so that a new corpus need not find out
//! what a valid binary is.

use std::borrow::Cow;

use arbitrary::Unstructured;
use washlib_component::guarded;

/// Larger inputs try nothing else, and take long.
pub(crate) const MAX_LENGTH: usize = 16 << 10;

/// A binary, or a text. Files that are put into a corpus stand for themselves: none begins with one of these bytes.
pub(crate) fn file(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (kind, rest) = bytes.split_first()?;
    let mut random = Unstructured::new(rest);
    let made = match kind {
        1 => wasm_smith::Module::new(config(), &mut random).ok()?.to_bytes(),
        2 => wasm_smith::Component::new(config(), &mut random).ok()?.to_bytes(),
        // A panic of the generator itself is no finding.
        3 => guarded(|| wit_smith::smith(&wit_smith::Config::default(), &mut random)).ok()?.ok()?,
        _ => return Some(bytes.into()),
    };
    Some(made.into())
}

fn config() -> wasm_smith::Config {
    wasm_smith::Config {
        max_instructions: 40,
        max_funcs: 10,
        max_memories: 2,
        max_tables: 2,
        ..wasm_smith::Config::default()
    }
}
