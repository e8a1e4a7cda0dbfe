//! The claims of modules and provider archives, which `wash inspect` reads.

#![no_main]

// The files are included: a program is no library, and its own test runs the same properties.
#[path = "../../../../bins/wash-inspect/src/archive.rs"]
mod archive;
#[path = "../../../../bins/wash-inspect/src/claims.rs"]
mod claims;
#[path = "../../../../bins/wash-inspect/src/custom_sections.rs"]
#[allow(dead_code, reason = "the rest is for commands")]
mod custom_sections;
#[path = "../input.rs"]
#[allow(dead_code, reason = "its generators make no claims")]
mod input;
#[path = "../../../../bins/wash-inspect/src/output/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the rest is for commands")]
mod output;
#[path = "../../../../bins/wash-inspect/src/properties.rs"]
mod properties;

use arbitrary::Unstructured;
use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::{Corpus, fuzz_target};

/// What files of an archive may be called.
const NAMES: [&str; 4] = ["claims.jwt", "x86_64-linux.bin", "aarch64-linux.bin", "readme"];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > input::MAX_LENGTH {
        return Corpus::Reject;
    }
    properties::check_token(bytes);
    properties::check_token(&token(bytes));
    properties::check_binary(bytes);
    properties::check_archive(bytes);
    if let Some(archive) = provider(bytes) {
        properties::check_archive(&archive);
    }
    Corpus::Keep
});

/// A token with these claims, which nobody has signed.
fn token(claims: &[u8]) -> Vec<u8> {
    let [header, claims, signature] = [&b"{}"[..], claims, &[0; 64]].map(|part| BASE64URL_NOPAD.encode(part));
    format!("{header}.{claims}.{signature}").into_bytes()
}

/// An archive with checksums that are right, perhaps cut off.
fn provider(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut random = Unstructured::new(bytes);
    let end: u16 = random.arbitrary().ok()?;
    let mut builder = tar::Builder::new(Vec::new());
    while !random.is_empty() {
        let name = *random.choose(&NAMES).ok()?;
        let content: &[u8] = random.arbitrary().ok()?;
        let content = if name == NAMES[0] { token(content) } else { content.to_vec() };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_slice()).ok()?;
    }
    let mut archive = builder.into_inner().ok()?;
    archive.truncate(usize::from(end));
    Some(archive)
}
