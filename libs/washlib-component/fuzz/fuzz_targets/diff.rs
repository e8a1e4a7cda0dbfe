//! Two files, compared. The first two bytes say where the first one ends.

#![no_main]

#[path = "../../tests/properties/comparing.rs"]
mod comparing;
#[path = "../input.rs"]
mod input;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > input::MAX_LENGTH {
        return Corpus::Reject;
    }
    let Some((length, files)) = bytes.split_first_chunk::<2>() else { return Corpus::Reject };
    let length = usize::from(u16::from_le_bytes(*length)).min(files.len());
    let (old, new) = files.split_at(length);
    let (Some(old), Some(new)) = (input::file(old), input::file(new)) else { return Corpus::Reject };
    comparing::check(&old, &new);
    Corpus::Keep
});
