//! Takes the .wit files out of a gzipped tar archive that somebody else made.
//!
//! Nothing is written to disk. An archive that unpacks to too much, or that names files outside of itself, is refused.

use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use thiserror::Error;
use washlib_wit::TextFile;

/// How many bytes an archive may unpack to, counting what is not kept.
const MAX_UNPACKED: u64 = 512 * 1024 * 1024;

/// How many bytes of .wit files an archive may hold.
const MAX_TEXT: u64 = 64 * 1024 * 1024;

/// How many entries an archive may have.
const MAX_ENTRIES: usize = 200_000;

/// Why an archive gives no files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum ArchiveError {
    #[error("the archive cannot be unpacked")]
    Malformed(#[source] io::Error),
    #[error("the archive names `{path}`, which is outside of it")]
    Outside { path: String },
    #[error("the archive unpacks to more than {} MiB", limit / (1024 * 1024))]
    TooLarge { limit: u64 },
    #[error("the archive has more than {MAX_ENTRIES} entries")]
    TooMany,
    #[error("there is no folder `{folder}` in the archive")]
    NoSuchFolder { folder: String },
    #[error("`{path}` in the archive is no text")]
    NotText { path: String },
}

/// The .wit files of an archive below `subfolder`, with their paths relative to it. The one folder that archives of
/// repositories usually put everything in does not count.
pub(super) fn text_files(bytes: &[u8], subfolder: Option<&str>) -> Result<Vec<TextFile>, ArchiveError> {
    let limited = LimitedReader { inner: GzDecoder::new(bytes), left: MAX_UNPACKED };
    let mut archive = tar::Archive::new(limited);
    let mut files = Vec::new();
    let mut roots: Vec<String> = Vec::new();
    let mut kept = 0;
    let wanted: Option<Vec<&str>> =
        subfolder.map(|subfolder| subfolder.split('/').filter(|part| !part.is_empty()).collect());
    let mut is_there = Whereabouts::default();
    for (count, entry) in archive.entries().map_err(malformed)?.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(ArchiveError::TooMany);
        }
        let mut entry = entry.map_err(malformed)?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let path = entry.path().map_err(malformed)?.into_owned();
        let parts = safe_parts(&path)?;
        if let Some(wanted) = &wanted {
            is_there.note(&parts, wanted, kind.is_dir());
        }
        if let Some(root) = parts.first().filter(|root| !roots.contains(root)) {
            roots.push(root.clone());
        }
        // Links are not followed: a package has no need of them.
        if !kind.is_file() || !parts.last().is_some_and(|name| name.ends_with(".wit")) {
            // A file right in the archive means that there is no folder around everything.
            if kind.is_file() && parts.len() == 1 {
                roots.push(String::new());
            }
            continue;
        }
        kept += entry.size();
        if kept > MAX_TEXT {
            return Err(ArchiveError::TooLarge { limit: MAX_TEXT });
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(malformed)?;
        let path = parts.join("/");
        let text = String::from_utf8(text).map_err(|_| ArchiveError::NotText { path: path.clone() })?;
        if parts.len() == 1 {
            roots.push(String::new());
        }
        files.push(TextFile { path, text });
    }
    let (around, is_there) = match roots.as_slice() {
        [only] if !only.is_empty() => (format!("{only}/"), is_there.inside),
        _ => (String::new(), is_there.outside),
    };
    if let Some(folder) = subfolder.filter(|_| !is_there) {
        return Err(ArchiveError::NoSuchFolder { folder: folder.to_owned() });
    }
    let inside = subfolder.map(|subfolder| format!("{}/", subfolder.trim_matches('/'))).unwrap_or_default();
    let prefix = format!("{around}{inside}");
    let relative =
        |file: TextFile| Some(TextFile { path: file.path.strip_prefix(&prefix)?.to_owned(), text: file.text });
    Ok(files.into_iter().filter_map(relative).collect())
}

/// Whether a folder is in the archive, or in the one folder around everything: which of them counts is known at the end.
#[derive(Default)]
struct Whereabouts {
    outside: bool,
    inside: bool,
}

impl Whereabouts {
    fn note(&mut self, parts: &[String], wanted: &[&str], is_folder: bool) {
        let leads_there = |parts: &[String]| {
            let is_below = parts.len() > wanted.len() || (is_folder && parts.len() == wanted.len());
            is_below && parts.iter().zip(wanted).all(|(part, wanted)| part == wanted)
        };
        self.outside |= leads_there(parts);
        self.inside |= parts.split_first().is_some_and(|(_, below)| leads_there(below));
    }
}

fn safe_parts(path: &Path) -> Result<Vec<String>, ArchiveError> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return Err(ArchiveError::Outside { path: path.display().to_string() }),
        }
    }
    Ok(parts)
}

fn malformed(err: io::Error) -> ArchiveError {
    match err.get_ref().and_then(|inner| inner.downcast_ref::<LimitReached>()) {
        Some(_) => ArchiveError::TooLarge { limit: MAX_UNPACKED },
        None if chain_has_limit(&err) => ArchiveError::TooLarge { limit: MAX_UNPACKED },
        None => ArchiveError::Malformed(err),
    }
}

/// The tar crate wraps errors of its reader.
fn chain_has_limit(err: &io::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(err) = next {
        if err.is::<LimitReached>() || err.to_string().contains(LIMIT_TEXT) {
            return true;
        }
        next = err.source();
    }
    false
}

const LIMIT_TEXT: &str = "the limit of unpacked bytes is reached";

#[derive(Debug, Error)]
#[error("{LIMIT_TEXT}")]
struct LimitReached;

/// Fails after so many bytes instead of ending, which would look like the end of the archive.
struct LimitedReader<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(LimitReached))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            // The builder would refuse the paths that matter here.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }

    fn paths(bytes: &[u8], subfolder: Option<&str>) -> Vec<String> {
        text_files(bytes, subfolder).unwrap().into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn the_folder_around_everything_does_not_count() {
        let bytes = archive(&[
            ("repo-1.0/README.md", ""),
            ("repo-1.0/wit/a.wit", "package a:b;"),
            ("repo-1.0/other/c.wit", ""),
        ]);
        assert_eq!(paths(&bytes, None), ["wit/a.wit", "other/c.wit"]);
        assert_eq!(paths(&bytes, Some("wit")), ["a.wit"]);
        assert_eq!(paths(&bytes, Some("/wit/")), ["a.wit"]);
        for missing in ["wat", "wit/a.wit", "repo-1.0/wit"] {
            let result = text_files(&bytes, Some(missing));
            assert!(matches!(&result, Err(ArchiveError::NoSuchFolder { folder }) if folder == missing), "{result:?}");
        }
        let flat = archive(&[("README.md", ""), ("wit/a.wit", "")]);
        assert_eq!(paths(&flat, None), ["wit/a.wit"]);
        assert_eq!(paths(&archive(&[("a.wit", "")]), None), ["a.wit"]);
    }

    #[test]
    fn names_outside_are_refused() {
        for path in ["../a.wit", "x/../../a.wit", "/etc/a.wit", "x/../a.txt"] {
            let result = text_files(&archive(&[("x/ok.wit", ""), (path, "")]), None);
            assert!(matches!(result, Err(ArchiveError::Outside { .. })), "{path}: {result:?}");
        }
    }

    #[test]
    fn a_bomb_is_noticed_before_it_fills_the_memory() {
        // 600 MiB of zeros in one entry that is not even kept.
        let mut header = tar::Header::new_gnu();
        let size: u64 = 600 * 1024 * 1024;
        header.set_path("x/bomb.bin").unwrap();
        header.set_size(size);
        header.set_cksum();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(header.as_bytes()).unwrap();
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..600 {
            encoder.write_all(&zeros).unwrap();
        }
        let result = text_files(&encoder.finish().unwrap(), None);
        assert!(matches!(result, Err(ArchiveError::TooLarge { .. })), "{result:?}");
    }

    #[test]
    fn a_large_source_is_refused() {
        let mut header = tar::Header::new_gnu();
        header.set_path("x/a.wit").unwrap();
        header.set_size(MAX_TEXT + 1);
        header.set_cksum();
        let result = text_files(&gzip(header.as_bytes()), None);
        assert!(matches!(result, Err(ArchiveError::TooLarge { limit: MAX_TEXT })), "{result:?}");
    }

    #[test]
    fn damaged_archives_are_errors() {
        let good = archive(&[("x/a.wit", "package a:b;")]);
        assert!(text_files(b"<html>", None).is_err());
        for length in 0..good.len() - 1 {
            // Cut after the last entry's data, an archive may still be whole enough.
            let _ = text_files(&good[..length], None);
        }
        assert!(text_files(&good[..good.len() / 2], None).is_err());
        assert!(matches!(text_files(&archive(&[("x/a.wit", "")]), None), Ok(files) if files.len() == 1));
    }
}
