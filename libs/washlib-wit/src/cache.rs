//! What was fetched before, on this machine: content by digest, releases by registry, and what packages looked like as
//! text.
//!
//! Everything that is read is verified; a damaged entry counts as absent and is replaced. Entries appear whole, by
//! renaming, so that any number of processes may share a cache. A cache that cannot be written to is one that forgets:
//! its failures are never errors.

mod room;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use semver::Version;

use crate::source::{Content, TextFile};
use crate::{Digest, PackageName};

pub use room::{Prune, Removed};

/// A cache in a folder of its own.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A package as text, ready for `wit/deps`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RenderedPackage {
    /// The package, with its version.
    pub(crate) package: String,
    pub(crate) text: String,
}

/// What a set of contents was rendered to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rendered {
    /// What belongs into `wit/deps`.
    pub(crate) texts: Vec<RenderedPackage>,
    /// The same packages exactly as they were published, where the texts were made to agree on versions.
    pub(crate) published: Vec<RenderedPackage>,
}

/// Marks a text of [`Rendered::published`]. No package has a name with a space.
const PUBLISHED: &str = "published ";

const SEPARATOR: char = '\n';

impl Cache {
    /// The cache in `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// One that keeps nothing, for who has no folder for it.
    pub fn forgetful() -> Self {
        // Nothing can be in a file, and nothing can be put there.
        Self::new("/dev/null")
    }

    /// The content with this digest.
    pub fn content(&self, digest: &Digest) -> Option<Content> {
        let bytes = read(&self.content_path(digest)).ok()?;
        if Digest::of(&bytes) != *digest {
            return None;
        }
        Some(decode_content(bytes))
    }

    /// Keeps content and returns its digest.
    pub fn put_content(&self, content: &Content) -> Digest {
        let bytes = encode_content(content);
        let digest = Digest::of(&bytes);
        self.put(&self.content_path(&digest), &bytes);
        digest
    }

    /// The digest of a release, as `registry` gave it before.
    pub fn release(&self, registry: &str, package: &PackageName, version: &Version) -> Option<Digest> {
        let text = std::fs::read_to_string(self.release_path(registry, package).join(version.to_string())).ok()?;
        text.trim().parse().ok()
    }

    /// Keeps what a release of a registry is.
    pub fn put_release(&self, registry: &str, package: &PackageName, version: &Version, digest: &Digest) {
        let path = self.release_path(registry, package).join(version.to_string());
        self.put(&path, format!("{digest}\n").as_bytes());
    }

    /// The versions of a package that were fetched from `registry` before.
    pub fn versions(&self, registry: &str, package: &PackageName) -> Vec<Version> {
        let entries = std::fs::read_dir(self.release_path(registry, package)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The packages of `namespace` that were fetched from `registry` before.
    pub fn packages(&self, registry: &str, namespace: &str) -> Vec<String> {
        let folder = self.root.join("releases").join(file_name(registry)).join(namespace);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// What a set of contents was rendered to.
    pub(crate) fn rendering(&self, key: &Digest) -> Option<Rendered> {
        let text = String::from_utf8(read(&self.root.join("renderings").join(key.hex())).ok()?).ok()?;
        let (checksum, body) = text.split_once(SEPARATOR)?;
        if checksum.parse::<Digest>().ok()? != Digest::of(body.as_bytes()) {
            return None;
        }
        let mut rendered = Rendered::default();
        let mut rest = body;
        while let Some((head, after)) = rest.split_once(SEPARATOR) {
            let (length, package) = head.split_once(' ')?;
            let length: usize = length.parse().ok()?;
            let text = after.get(..length)?;
            let (list, package) = match package.strip_prefix(PUBLISHED) {
                Some(package) => (&mut rendered.published, package),
                None => (&mut rendered.texts, package),
            };
            list.push(RenderedPackage { package: package.to_owned(), text: text.to_owned() });
            rest = &after[length..];
        }
        Some(rendered)
    }

    /// Keeps what a set of contents was rendered to.
    pub(crate) fn put_rendering(&self, key: &Digest, rendered: &Rendered) {
        let mut body = String::new();
        for (mark, list) in [("", &rendered.texts), (PUBLISHED, &rendered.published)] {
            for RenderedPackage { package, text } in list {
                body.push_str(&format!("{} {mark}{package}{SEPARATOR}{text}", text.len()));
            }
        }
        let text = format!("{}{SEPARATOR}{body}", Digest::of(body.as_bytes()));
        self.put(&self.root.join("renderings").join(key.hex()), text.as_bytes());
    }

    /// Whether sources were found valid together with a rendering.
    pub(crate) fn is_valid(&self, key: &Digest) -> bool {
        self.root.join("valid").join(key.hex()).exists()
    }

    /// Remembers that they were.
    pub(crate) fn put_valid(&self, key: &Digest) {
        self.put(&self.root.join("valid").join(key.hex()), b"");
    }

    fn content_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("content").join(digest.hex())
    }

    fn release_path(&self, registry: &str, package: &PackageName) -> PathBuf {
        self.root.join("releases").join(file_name(registry)).join(package.namespace()).join(package.name())
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        // A cache that cannot be written to only forgets.
        if write(path, bytes).is_ok() {
            self.keep_within_bounds();
        }
    }
}

/// Reads a file, and takes note that it was used: what was used longest ago makes room first.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // A cache that cannot be written to needs no room.
    let _ = file.set_modified(SystemTime::now());
    Ok(bytes)
}

/// Whole or not at all. Not synced: what a crash damages is found out when it is read.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|err| err.error)
}

/// A name without characters that some file system gives a meaning.
fn file_name(registry: &str) -> String {
    registry.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

/// Text files in a form that depends on nothing but their names and text. Binary content is itself.
fn encode_content(content: &Content) -> Vec<u8> {
    match content {
        Content::Binary(bytes) => bytes.clone(),
        Content::Text(files) => {
            let mut files = files.clone();
            files.sort();
            let mut bytes = TEXT_MAGIC.to_vec();
            for TextFile { path, text } in &files {
                bytes.extend_from_slice(format!("{} {path}{SEPARATOR}", text.len()).as_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes
        }
    }
}

const TEXT_MAGIC: &[u8] = b"wit-files 1\n";

fn decode_content(bytes: Vec<u8>) -> Content {
    let Some(text) = bytes.strip_prefix(TEXT_MAGIC).and_then(|rest| std::str::from_utf8(rest).ok()) else {
        return Content::Binary(bytes);
    };
    let mut files = Vec::new();
    let mut rest = text;
    // The digest has been verified: these are bytes that `encode_content` made.
    while let Some((head, after)) = rest.split_once(SEPARATOR) {
        let parsed = head.split_once(' ').and_then(|(length, path)| Some((length.parse::<usize>().ok()?, path)));
        let Some((length, path)) = parsed.filter(|(length, _)| after.is_char_boundary(*length)) else { break };
        files.push(TextFile { path: path.to_owned(), text: after[..length].to_owned() });
        rest = &after[length..];
    }
    Content::Text(files)
}

/// The digest that content has in the cache and in the lock.
pub(crate) fn content_digest(content: &Content) -> Digest {
    Digest::of(&encode_content(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        (folder, cache)
    }

    fn text(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn content_comes_back_as_it_was() {
        let (_folder, cache) = cache();
        for content in [
            Content::Binary(b"\0asm".to_vec()),
            Content::Binary(Vec::new()),
            Content::Text(vec![text("a.wit", "é\n"), text("b.wit", "")]),
        ] {
            let digest = cache.put_content(&content);
            assert_eq!(cache.content(&digest), Some(content));
        }
        assert_eq!(cache.content(&Digest::of(b"other")), None);
    }

    #[test]
    fn damaged_entries_count_as_absent() {
        let (_folder, cache) = cache();
        let digest = cache.put_content(&Content::Binary(b"good".to_vec()));
        std::fs::write(cache.content_path(&digest), "evil").unwrap();
        assert_eq!(cache.content(&digest), None);
        assert_eq!(cache.put_content(&Content::Binary(b"good".to_vec())), digest);
        assert!(cache.content(&digest).is_some());

        let key = Digest::of(b"key");
        let package = |text: &str| RenderedPackage { package: "a:b@1.0.0".to_owned(), text: text.to_owned() };
        let rendered =
            Rendered { texts: vec![package("package a:b;\n\n")], published: vec![package("package a:b;\n")] };
        cache.put_rendering(&key, &rendered);
        assert_eq!(cache.rendering(&key), Some(rendered));
        let path = cache.root.join("renderings").join(key.hex());
        let stored = std::fs::read_to_string(&path).unwrap();
        for damaged in [stored.replace("a:b;", "a:c;"), stored[..stored.len() - 1].to_owned(), String::new()] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(cache.rendering(&key), None);
        }
    }

    #[test]
    fn releases_are_kept_by_registry() {
        let (_folder, cache) = cache();
        let (package, version) = ("wasi:http".parse().unwrap(), Version::new(0, 2, 0));
        let digest = Digest::of(b"x");
        cache.put_release("localhost:5000", &package, &version, &digest);
        assert_eq!(cache.release("localhost:5000", &package, &version), Some(digest));
        assert_eq!(cache.release("localhost:5001", &package, &version), None);
        assert_eq!(cache.versions("localhost:5000", &package), [version]);
        assert_eq!(cache.packages("localhost:5000", "wasi"), ["http"]);
    }

    #[test]
    fn a_cache_that_cannot_be_written_to_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let cache = Cache::new(&file);
        let digest = cache.put_content(&Content::Binary(b"x".to_vec()));
        assert_eq!(cache.content(&digest), None);
    }
}
