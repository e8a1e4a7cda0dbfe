//! Everything that `washlib-component` does with one file.

#![no_main]

#[path = "../../tests/properties/decoding.rs"]
mod decoding;
#[path = "../input.rs"]
mod input;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > input::MAX_LENGTH {
        return Corpus::Reject;
    }
    let Some(file) = input::file(bytes) else { return Corpus::Reject };
    decoding::check(&file);
    Corpus::Keep
});
