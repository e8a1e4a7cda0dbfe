//! The names that requests use: repositories, tags, digests.
//!
//! A value of these types has the form that the specification allows, so that it is safe as a part of a path. Whether
//! what it names exists is not known here.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

/// Longer names are refused: they could not be folders everywhere, and clients have the same limit.
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// What an image layout contains. A repository's folder that would have one of these names gets another one.
const LAYOUT_ENTRIES: [&str; 3] = ["blobs", "index.json", "oci-layout"];

/// Why a text is no name.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// Not a repository's name.
    #[error("`{0}` is not the name of a repository: parts of a-z, 0-9 and single `.`, `_`, `-` between `/`")]
    Repository(String),
    /// Not a tag.
    #[error("`{0}` is not a tag: up to 128 of A-Z, a-z, 0-9, `_`, `.`, `-`, beginning with none of the last two")]
    Tag(String),
    /// Not a digest.
    #[error("`{0}` is not a digest: `sha256:` and 64, or `sha512:` and 128 of 0-9, a-f")]
    Digest(String),
}

/// The name of a repository, such as `library/hello`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Repository(Box<str>);

impl Repository {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it does not have the form of the OCI distribution specification, or has more than 255 characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_component) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Repository(shortened(text)))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of this repository below the registry's own. No two repositories share one, and none lies in the
    /// files of another's layout.
    pub fn folder(&self) -> PathBuf {
        self.0.split('/').map(folder_name).collect()
    }

    /// The repository whose folder this is, if it is one.
    pub(crate) fn of_folder(folder: &Path) -> Option<Self> {
        let names = folder.iter().map(|name| {
            let name = name.to_str()?;
            match name.strip_prefix('_') {
                Some(escaped) => LAYOUT_ENTRIES.contains(&escaped).then_some(escaped),
                None => (!LAYOUT_ENTRIES.contains(&name)).then_some(name),
            }
        });
        let names: Option<Vec<&str>> = names.collect();
        Self::parse(&names?.join("/")).ok()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No name of a repository begins with `_`.
fn folder_name(component: &str) -> String {
    if LAYOUT_ENTRIES.contains(&component) { format!("_{component}") } else { component.to_owned() }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_word(*first) || !is_word(*last) {
        return false;
    }
    let mut separators = bytes.split(|byte| is_word(*byte)).filter(|run| !run.is_empty());
    separators.all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-'))
}

/// A tag, such as `1.0.0`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(Box<str>);

impl Tag {
    /// Checks a tag.
    ///
    /// # Errors
    ///
    /// When it does not have the form of the OCI distribution specification.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_tag = match text.as_bytes() {
            [first, rest @ ..] => {
                is_word(*first) && rest.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'-'))
            }
            [] => false,
        };
        if is_tag && text.len() <= LONGEST_TAG { Ok(Self(text.into())) } else { Err(NameError::Tag(shortened(text))) }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a digest is computed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// What everybody uses.
    Sha256,
    /// The other one that the specification registers.
    Sha512,
}

impl Algorithm {
    /// Its name in digests and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The digest of a blob or a manifest, such as `sha256:44136f…`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// Checks a digest's form.
    ///
    /// # Errors
    ///
    /// When the algorithm is another one than SHA-256 and SHA-512, or not all its hexadecimal digits follow.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let parsed = text.split_once(':').and_then(|(name, hex)| {
            let algorithm = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == name)?;
            let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (is_hex && hex.len() == algorithm.hex_digits()).then(|| Self { algorithm, hex: hex.into() })
        });
        parsed.ok_or_else(|| NameError::Digest(shortened(text)))
    }

    /// Computes the SHA-256 digest of some bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// Computes the digest of some bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::from_output(algorithm, &Sha256::digest(bytes)),
            Algorithm::Sha512 => Self::from_output(algorithm, &Sha512::digest(bytes)),
        }
    }

    /// The digest that a hash function has put out.
    pub(crate) fn from_output(algorithm: Algorithm, output: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = output.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        Self { algorithm, hex: hex.into() }
    }

    /// How it was computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

/// What follows `manifests/`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// A name that can be moved.
    Tag(Tag),
    /// A content.
    Digest(Digest),
}

impl Reference {
    /// Takes a text with a colon for a digest, and any other for a tag.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.contains(':') { Digest::parse(text).map(Self::Digest) } else { Tag::parse(text).map(Self::Tag) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Hostile names can be long; enough of one to recognise it by is told back.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut characters = text.chars();
    let shown: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for good in
            ["a", "a/b", "0", "a.b", "a_b", "a__b", "a---b", "lib/hello-world.v2", "blobs/uploads", "index.json"]
        {
            assert_eq!(Repository::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a.", ".a", "_a", "a___b", "a._b", "../a", "a/../b", "a b",
            "a\0", "ä", "a:b", "a%2fb", &long,
        ] {
            assert!(Repository::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn folders_never_lie_in_a_layout() {
        for (name, folder) in [("a/blobs/sha256", "a/_blobs/sha256"), ("index.json", "_index.json"), ("a/b", "a/b")] {
            let repository = Repository::parse(name).unwrap();
            assert_eq!(repository.folder(), Path::new(folder));
            assert_eq!(Repository::of_folder(Path::new(folder)), Some(repository));
        }
        for none in ["a/blobs", "_a", "", ".uploads", "A"] {
            assert_eq!(Repository::of_folder(Path::new(none)), None, "{none}");
        }
    }

    #[test]
    fn tags() {
        for good in ["a", "_", "1.0.0", "v1-rc.1", "A_b", &"a".repeat(128)] {
            assert!(Tag::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "..", "a:b", "a+b", "ä", &"a".repeat(129)] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").to_string(), empty);
        assert_eq!(Digest::parse(empty).unwrap(), Digest::sha256(b""));
        let long = Digest::of(Algorithm::Sha512, b"").to_string();
        assert_eq!(Digest::parse(&long).unwrap().hex().len(), 128);
        let upper = empty.to_uppercase();
        for bad in ["", "sha256", "sha256:", "sha256:../../../etc/passwd", "md5:00", &upper, &empty[..70], &empty[7..]]
        {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
        assert!(Reference::parse("sha256:ab").is_err());
    }
}
