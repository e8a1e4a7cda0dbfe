//! What holds for any bytes that are read as claims or as a provider archive.
//!
//! The tests with damaged files and the fuzz target `claims` both run this, so that neither knows less than the other.

use std::io::Write as _;

use washlib_component::outline;

use crate::archive::{self, Archive};
use crate::claims::{of_binary, parse};
use crate::custom_sections::{Choice, strip};
use crate::output::{ClaimsData, Validity};

/// Bytes as a token, alone and in a module.
pub(crate) fn check_token(bytes: &[u8]) {
    let mut module = wasm_encoder::Module::new();
    module.section(&wasm_encoder::CustomSection { name: "jwt".into(), data: bytes.into() });
    let in_module = check_binary(&module.finish());
    let Ok(claims) = parse(bytes, 0) else {
        assert!(in_module.is_none());
        return;
    };
    assert_eq!(in_module.map(|data| data.issuer).as_ref(), Some(&claims.data.issuer));
    let validity = |now| parse(bytes, now).map(|claims| claims.data.validity);
    let end = claims.data.expires.unwrap_or(u64::MAX);
    assert_ne!(validity(end), Ok(Validity::Expired));
    if let Some(after) = end.checked_add(1) {
        assert_eq!(validity(after), Ok(Validity::Expired));
    }
    if let Some(before) = claims.data.not_before.and_then(|start| start.checked_sub(1)) {
        assert_ne!(validity(before), Ok(Validity::Valid));
    }
}

/// Bytes as a binary: its claims, and what the digest in them is about.
pub(crate) fn check_binary(bytes: &[u8]) -> Option<ClaimsData> {
    let read = outline(bytes).ok()?;
    if read.stopped.is_none() {
        let bare = strip(bytes, &Choice::All).expect("what has an outline can be copied");
        let bare = outline(&bare).expect("a copy is what it is a copy of");
        assert_eq!(bare.stopped, None);
        let mut sections = bare.root.all().into_iter().flat_map(|part| &part.sections);
        assert!(!sections.any(|section| section.is_custom()));
    }
    of_binary(&read, bytes).unwrap_or_else(|problem| {
        assert!(problem.offset.is_some_and(|offset| offset <= bytes.len() as u64), "{problem:?}");
        None
    })
}

/// Bytes as a provider archive, which is the same when it is compressed.
pub(crate) fn check_archive(bytes: &[u8]) {
    let Some(plain) = archive::read(bytes) else { return };
    // Compressed twice it would be no archive.
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it all");
    let packed = encoder.finish().expect("memory takes it all");
    let packed = archive::read(&packed).expect("it is the same archive");
    assert_eq!(plain.ok().map(shown), packed.ok().map(shown));
}

/// What is shown of an archive, but for whether it was compressed.
fn shown(archive: Archive) -> (Vec<String>, Vec<String>, bool, Option<u64>) {
    let targets = archive.data.targets.iter().map(|target| format!("{target:?}")).collect();
    let offset = archive.problem.and_then(|problem| problem.offset);
    (targets, archive.data.other_files, archive.claims.is_some(), offset)
}
