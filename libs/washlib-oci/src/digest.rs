//! Content digests: parsed, computed while bytes pass by, compared.
//!
//! Knows the two algorithms that the OCI image specification registers; what a digest names is not known here.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is no digest.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DigestError {
    /// No algorithm and hash with a colon between them.
    #[error("a digest is written `sha256:<64 hexadecimal digits>`")]
    Form,
    /// An algorithm that nobody can check here.
    #[error("the digest's algorithm is `{0}`; sha256 and sha512 are supported")]
    Algorithm(String),
    /// Not as many characters as the algorithm gives.
    #[error("a digest of {algorithm} has {expected} hexadecimal digits, and this one has {found}")]
    Length {
        /// The algorithm.
        algorithm: Algorithm,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Something else than 0 to 9 and a to f.
    #[error("a digest has the digits 0 to 9 and a to f in lower case, not `{}`", .0.escape_debug())]
    Character(char),
}

/// A digest algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// SHA-256, which nearly everyone uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn ring(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        })
    }
}

/// A digest as registries write it: `sha256:` and the hash in lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The SHA-256 of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Whether it is that of `bytes`.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// Which algorithm it was computed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash alone; safe as the name of a file.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The hash as a tag, `sha256-<hex>`, under which registries without a referrers API keep what refers to it.
    pub fn as_tag(&self) -> String {
        format!("{}-{}", self.algorithm, self.hex)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Form)?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "" => return Err(DigestError::Form),
            other => return Err(DigestError::Algorithm(other.escape_debug().to_string())),
        };
        if let Some(wrong) = hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(DigestError::Character(wrong));
        }
        let expected = algorithm.hex_length();
        if hex.len() != expected {
            return Err(DigestError::Length { algorithm, expected, found: hex.len() });
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest piece by piece.
pub(crate) struct Hasher {
    algorithm: Algorithm,
    context: digest::Context,
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, context: digest::Context::new(algorithm.ring()) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest { algorithm: self.algorithm, hex: hex(self.context.finish().as_ref()) }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_computed() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        let digest: Digest = empty.parse().unwrap();
        assert!(digest.matches(b"") && !digest.matches(b"x"));
        let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        assert!(!long.matches(b""));
    }

    #[test]
    fn what_is_no_digest_says_why() {
        let error = |text: &str| text.parse::<Digest>().unwrap_err();
        assert_eq!(error(""), DigestError::Form);
        assert_eq!(error(":abc"), DigestError::Form);
        assert_eq!(error("md5:abc"), DigestError::Algorithm("md5".into()));
        assert_eq!(error("sha256:ABC"), DigestError::Character('A'));
        assert_eq!(error("sha256:../../x"), DigestError::Character('.'));
        let found = DigestError::Length { algorithm: Algorithm::Sha256, expected: 64, found: 3 };
        assert_eq!(error("sha256:abc"), found);
    }
}
