//! Provider archives of wasmCloud 1.x: a tar file, perhaps compressed by gzip, with a signed `claims.jwt` and a program for
//! each kind of machine.
//!
//! Nothing is unpacked: names are only shown, contents only hashed. What they unfold to is bounded.

use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXUPPER;
use ring::digest::{Context, SHA256};
use thiserror::Error;

use crate::claims::{self, Claims};
use crate::output::{ArchiveData, ClaimsData, TargetData};

/// The most that an archive may unfold to, in bytes.
const MAX_UNFOLDED: u64 = 1 << 30;
/// The most files that are listed.
const MAX_FILES: usize = 1_000;
/// The most that the claims may take, in bytes.
const MAX_CLAIMS: u64 = 1 << 20;
/// Where a tar file's first header says that it is one, and how.
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");

/// Why an archive cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ArchiveError {
    #[error("it holds no `claims.jwt` that can be read, so it is another kind of archive")]
    NoClaims,
    #[error("it holds more than {MAX_FILES} files")]
    TooManyFiles,
    #[error("it unfolds to more than {MAX_UNFOLDED} bytes")]
    TooLarge,
    #[error("it is damaged")]
    Damaged(#[source] io::Error),
}

/// What an archive holds.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) data: ArchiveData,
    pub(crate) claims: Option<ClaimsData>,
}

/// Reads an archive; `None` for what is none.
pub(crate) fn read(bytes: &[u8]) -> Option<Result<Archive, ArchiveError>> {
    if is_tar(bytes) {
        return Some(read_tar(bytes, false));
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    let mut start = Vec::new();
    let unfolded = |limit| flate2::read::MultiGzDecoder::new(bytes).take(limit);
    // What is there before an error is enough to recognise it by.
    let _ = unfolded(512).read_to_end(&mut start);
    is_tar(&start).then(|| read_tar(unfolded(MAX_UNFOLDED + 1), true))
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(TAR_MARK.0..).is_some_and(|rest| rest.starts_with(TAR_MARK.1))
}

/// A file of the archive that could be a program.
struct Entry {
    target: String,
    size: u64,
    hash: String,
}

fn read_tar(reader: impl Read, compressed: bool) -> Result<Archive, ArchiveError> {
    let (mut claims, mut programs, mut other_files) = (None, Vec::new(), Vec::new());
    let (mut n_files, mut total) = (0, 0);
    let mut archive = tar::Archive::new(reader);
    // Raw: long names would be read into memory, however long.
    for entry in archive.entries().map_err(ArchiveError::Damaged)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        n_files += 1;
        total += entry.size();
        if n_files > MAX_FILES {
            return Err(ArchiveError::TooManyFiles);
        }
        if total > MAX_UNFOLDED {
            return Err(ArchiveError::TooLarge);
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "claims" {
            let mut token = Vec::new();
            entry.by_ref().take(MAX_CLAIMS).read_to_end(&mut token).map_err(ArchiveError::Damaged)?;
            claims = claims::parse(&token, claims::now());
        } else if name.ends_with(".bin") {
            let (size, hash) = (entry.size(), hash(&mut entry).map_err(ArchiveError::Damaged)?);
            programs.push(Entry { target: stem, size, hash });
        } else {
            other_files.push(name);
        }
    }
    let Some(claims) = claims else { return Err(ArchiveError::NoClaims) };
    let targets = programs.into_iter().map(|entry| target(entry, &claims)).collect();
    Ok(Archive { data: ArchiveData { compressed, targets, other_files }, claims: Some(claims.data) })
}

fn target(entry: Entry, claims: &Claims) -> TargetData {
    let signed = claims.target_hashes.get(&entry.target);
    let content_matches = signed.map(|signed| signed.eq_ignore_ascii_case(&entry.hash));
    TargetData { target: entry.target, size: entry.size, content_matches }
}

fn hash(reader: &mut impl Read) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(HEXUPPER.encode(context.finish().as_ref())),
            Ok(length) => context.update(&buffer[..length]),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::claims::tests::{key_pair, key_text, token};
    use crate::output::Signature;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn provider() -> Vec<u8> {
        let pair = key_pair(7);
        let hash = crate::claims::hash_text(b"program");
        let payload = format!(
            r#"{{"iss":"{}","sub":"VABC","wascap":{{"name":"NATS","vendor":"ACME","ver":"0.1.0","target_hashes":{{"x86_64-linux":"{hash}","aarch64-linux":"{hash}"}}}}}}"#,
            key_text(&pair)
        );
        let token = token(&pair, &payload);
        tar(&[
            ("claims.jwt", token.as_bytes()),
            ("x86_64-linux.bin", b"program"),
            ("aarch64-linux.bin", b"another"),
            ("riscv64-linux.bin", b"program"),
            ("world.wit", b"package a:b;"),
        ])
    }

    #[test]
    fn a_provider_with_good_bad_and_uncovered_programs() {
        for (bytes, compressed) in [(provider(), false), (gzip(&provider()), true)] {
            let archive = read(&bytes).unwrap().unwrap();
            assert_eq!(archive.data.compressed, compressed);
            let claims = archive.claims.unwrap();
            assert_eq!(claims.signature, Signature::Verified);
            assert_eq!((claims.name.as_deref(), claims.vendor.as_deref()), (Some("NATS"), Some("ACME")));
            let targets: Vec<_> =
                archive.data.targets.iter().map(|target| (target.target.as_str(), target.content_matches)).collect();
            assert_eq!(
                targets,
                [("x86_64-linux", Some(true)), ("aarch64-linux", Some(false)), ("riscv64-linux", None)]
            );
            assert_eq!(archive.data.other_files, ["world.wit"]);
        }
    }

    #[test]
    fn other_archives_are_told_apart() {
        assert!(read(b"text").is_none());
        assert!(read(&gzip(b"text")).is_none());
        assert!(matches!(read(&tar(&[("readme", b"x")])), Some(Err(ArchiveError::NoClaims))));
    }

    #[test]
    fn damaged_archives_never_panic() {
        for bytes in [provider(), gzip(&provider())] {
            for position in (0..bytes.len()).step_by(bytes.len() / 500 + 1) {
                let mut damaged = bytes.clone();
                damaged[position] ^= 0x55;
                let _ = read(&damaged);
                let _ = read(&bytes[..position]);
            }
        }
    }

    #[test]
    fn a_size_that_lies_is_refused() {
        let mut header = tar::Header::new_gnu();
        header.set_path("x86_64-linux.bin").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        assert!(matches!(read(header.as_bytes()), Some(Err(ArchiveError::TooLarge))));
    }
}
