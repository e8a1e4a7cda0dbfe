//! Provider archives of wasmCloud 1.x: a tar file, perhaps compressed by gzip, with a signed `claims.jwt` and a program for
//! each kind of machine.
//!
//! Nothing is unpacked: names are only shown, contents only hashed. What they unfold to is bounded.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXUPPER;
use ring::digest::{Context, SHA256};
use thiserror::Error;

use crate::claims::{self, Claims};
use crate::output::{ArchiveData, ClaimsData, Problem, TargetData};

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
    #[error("the file is {}, and a provider archive would hold `claims.jwt`", tar_text(*compressed))]
    NoClaims { compressed: bool },
    #[error("it holds more than {MAX_FILES} files")]
    TooManyFiles,
    #[error("it unfolds to more than {MAX_UNFOLDED} bytes")]
    TooLarge,
    #[error("it is damaged")]
    Damaged(#[source] io::Error),
}

fn tar_text(compressed: bool) -> &'static str {
    if compressed { "a tar archive, compressed by gzip" } else { "a tar archive" }
}

/// What an archive holds.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) data: ArchiveData,
    pub(crate) claims: Option<ClaimsData>,
    /// Why it could be read only in part.
    pub(crate) problem: Option<Problem>,
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

/// Counts what is read through it.
struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

/// What an archive has shown so far.
#[derive(Default)]
struct Found {
    /// The claims, or why they cannot be read.
    claims: Option<Result<Claims, String>>,
    programs: Vec<Entry>,
    other_files: Vec<String>,
}

fn read_tar(reader: impl Read, compressed: bool) -> Result<Archive, ArchiveError> {
    let count = Cell::new(0);
    let mut found = Found::default();
    let ended = found.read(Counted { inner: reader, count: &count });
    let Found { claims, programs, other_files } = found;
    let mut problem = match ended {
        Ok(()) => None,
        // Without any of it, nobody can say that it is a provider's.
        Err(err) if claims.is_none() && programs.is_empty() => return Err(err),
        Err(err) => Some(Problem { offset: Some(count.get()), reason: reason(&err) }),
    };
    let claims = match claims {
        Some(Ok(claims)) => Some(claims),
        Some(Err(reason)) => {
            problem.get_or_insert(Problem { offset: None, reason });
            None
        }
        None if problem.is_none() => return Err(ArchiveError::NoClaims { compressed }),
        None => None,
    };
    let targets = programs.into_iter().map(|entry| target(entry, claims.as_ref())).collect();
    let data = ArchiveData { compressed, targets, other_files };
    Ok(Archive { data, claims: claims.map(|claims| claims.data), problem })
}

fn reason(err: &ArchiveError) -> String {
    match err {
        ArchiveError::Damaged(source) => format!("the archive is damaged: {source}"),
        err => format!("of the archive, {err}"),
    }
}

impl Found {
    fn read(&mut self, reader: impl Read) -> Result<(), ArchiveError> {
        let (mut n_files, mut total) = (0, 0_u64);
        let mut archive = tar::Archive::new(reader);
        // Raw: long names would be read into memory, however long.
        for entry in archive.entries().map_err(ArchiveError::Damaged)?.raw(true) {
            let mut entry = entry.map_err(ArchiveError::Damaged)?;
            n_files += 1;
            total = total.saturating_add(entry.size());
            if n_files > MAX_FILES {
                return Err(ArchiveError::TooManyFiles);
            }
            if total > MAX_UNFOLDED {
                return Err(ArchiveError::TooLarge);
            }
            if entry.header().entry_type().is_file() {
                self.file(&mut entry).map_err(ArchiveError::Damaged)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let size = entry.size();
        if stem == "claims" {
            let mut token = Vec::new();
            entry.take(MAX_CLAIMS).read_to_end(&mut token)?;
            is_whole(token.len() as u64, size.min(MAX_CLAIMS))?;
            self.claims = Some(claims::parse(&token, claims::now()));
        } else if name.ends_with(".bin") {
            let (length, hash) = hash(entry)?;
            is_whole(length, size)?;
            self.programs.push(Entry { target: stem, size, hash });
        } else {
            self.other_files.push(name);
        }
        Ok(())
    }
}

/// An archive that is cut off ends a file too early, which its reader does not tell from the file's end.
fn is_whole(length: u64, size: u64) -> io::Result<()> {
    if length == size {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off inside a file"))
    }
}

fn target(entry: Entry, claims: Option<&Claims>) -> TargetData {
    let signed = claims.and_then(|claims| claims.target_hashes.get(&entry.target));
    let content_matches = signed.map(|signed| signed.eq_ignore_ascii_case(&entry.hash));
    TargetData { target: entry.target, size: entry.size, content_matches }
}

/// The length and the digest of what follows.
fn hash(reader: &mut impl Read) -> io::Result<(u64, String)> {
    let mut context = Context::new(&SHA256);
    let mut total = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((total, HEXUPPER.encode(context.finish().as_ref()))),
            Ok(length) => {
                total += length as u64;
                context.update(&buffer[..length]);
            }
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
    use crate::properties::check_archive;

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
        assert!(matches!(read(&tar(&[("readme", b"x")])), Some(Err(ArchiveError::NoClaims { compressed: false }))));
    }

    #[test]
    fn what_comes_before_the_damage_is_shown() {
        let whole = provider();
        // Each file takes a block for its header and, here, one for its content; the claims take two.
        let cut = 512 * 6 + 3;
        let archive = read(&whole[..cut]).unwrap().unwrap();
        assert_eq!(archive.problem.unwrap().offset, Some(cut as u64));
        assert_eq!(archive.claims.unwrap().name.as_deref(), Some("NATS"));
        assert_eq!(archive.data.targets.len(), 1);
        // The claims alone are damaged.
        let mut damaged = whole;
        damaged[512] = b'!';
        let archive = read(&damaged).unwrap().unwrap();
        assert!(archive.claims.is_none() && archive.problem.unwrap().reason.contains("claims"));
        assert_eq!(archive.data.targets.len(), 3);
    }

    #[test]
    fn damaged_archives_never_panic() {
        for bytes in [provider(), gzip(&provider())] {
            for position in (0..bytes.len()).step_by(bytes.len() / 500 + 1) {
                let mut damaged = bytes.clone();
                damaged[position] ^= 0x55;
                check_archive(&damaged);
                check_archive(&bytes[..position]);
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
