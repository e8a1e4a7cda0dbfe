//! Keys: public ones that verify, private ones that sign, and the encrypted files in which cosign keeps the latter.
//!
//! Signatures are made with ECDSA on P-256 or Ed25519, and checked for P-384 and RSA too. Files are not read here.

use std::fmt;

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use webpki::RawPublicKeyEntity;

use crate::digest::Digest;

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "PRIVATE KEY";
/// What cosign writes today, and what it wrote before its second version.
const ENCRYPTED_LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// What a public key on P-256 begins with, as X.509 writes it.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same for Ed25519.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What a signature may be made with.
fn algorithms() -> [&'static dyn SignatureVerificationAlgorithm; 4] {
    [
        webpki::ring::ECDSA_P256_SHA256,
        webpki::ring::ED25519,
        webpki::ring::ECDSA_P384_SHA384,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    ]
}

/// Why a key cannot be used. No variant carries a part of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not in PEM.
    #[error("it is no key in PEM")]
    NoPem,
    /// Another kind of PEM.
    #[error("it is a `{found}`, not a {wanted}")]
    OtherPem {
        /// Its label.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A public key of a kind that is not supported.
    #[error("the public key is of a kind that is not supported: ECDSA on P-256 or P-384, Ed25519 and RSA are")]
    UnsupportedPublic,
    /// A private key of a kind that is not supported.
    #[error("the private key is of a kind that is not supported: ECDSA on P-256 and Ed25519 are")]
    UnsupportedPrivate,
    /// It is encrypted.
    #[error("the private key is encrypted, and no password was given")]
    NeedsPassword,
    /// It is encrypted with another password, or damaged.
    #[error("the password does not open the private key")]
    WrongPassword,
    /// It is encrypted in an unknown way.
    #[error("the private key is encrypted in a way that is not supported")]
    UnknownEncryption,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A key that verifies signatures.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey {
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a public key in PEM.
    ///
    /// # Errors
    ///
    /// When it is something else, or of a kind that is not supported.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, der) = decode_pem(text).ok_or(KeyError::NoPem)?;
        if label != PUBLIC_LABEL {
            return Err(KeyError::OtherPem { found: crate::error::printable(&label), wanted: "public key" });
        }
        let key = Self { der };
        let spki = SubjectPublicKeyInfoDer::from(key.der.as_slice());
        let entity = RawPublicKeyEntity::try_from(&spki).map_err(|_| KeyError::UnsupportedPublic)?;
        // A signature of nothing fails in another way when the key is not of the algorithm's kind.
        let is_supported = algorithms().into_iter().any(|algorithm| {
            matches!(entity.verify_signature(algorithm, b"", b""), Err(webpki::Error::InvalidSignatureForPublicKey))
        });
        if is_supported { Ok(key) } else { Err(KeyError::UnsupportedPublic) }
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        encode_pem(PUBLIC_LABEL, &self.der)
    }

    /// Whether `signature` is one of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let spki = SubjectPublicKeyInfoDer::from(self.der.as_slice());
        let Ok(entity) = RawPublicKeyEntity::try_from(&spki) else { return false };
        algorithms().into_iter().any(|algorithm| entity.verify_signature(algorithm, message, signature).is_ok())
    }

    /// What tells keys apart: the SHA-256 of the key, in base64, as Sigstore's bundles name it.
    pub fn hint(&self) -> String {
        STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &self.der))
    }

    /// The SHA-256 of the key, for people.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// A key that signs.
pub struct PrivateKey {
    kind: Kind,
    pkcs8: Secret,
}

enum Kind {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.public())
    }
}

impl PrivateKey {
    /// Makes a new key on P-256, as cosign does.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        Self::from_pkcs8(document.map_err(|_| KeyError::NoRandomness)?.as_ref())
    }

    /// Reads a private key in PEM, encrypted by cosign or in PKCS #8.
    ///
    /// # Errors
    ///
    /// When it is something else, or the password is wrong or missing.
    pub fn from_pem(text: &str, password: Option<&Secret>) -> Result<Self, KeyError> {
        let (label, body) = decode_pem(text).ok_or(KeyError::NoPem)?;
        if label == PRIVATE_LABEL {
            return Self::from_pkcs8(&body);
        }
        if !ENCRYPTED_LABELS.contains(&label.as_str()) {
            return Err(KeyError::OtherPem { found: crate::error::printable(&label), wanted: "private key" });
        }
        let password = password.ok_or(KeyError::NeedsPassword)?;
        let encrypted: Encrypted = serde_json::from_slice(&body).map_err(|_| KeyError::UnknownEncryption)?;
        Self::from_pkcs8(&encrypted.open(password)?)
    }

    /// The key in PEM, encrypted as cosign does it; an empty password counts.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn to_encrypted_pem(&self, password: &Secret) -> Result<String, KeyError> {
        let pkcs8 = STANDARD.decode(self.pkcs8.expose()).map_err(|_| KeyError::UnsupportedPrivate)?;
        let encrypted = Encrypted::seal(&pkcs8, password)?;
        let body = serde_json::to_vec(&encrypted).map_err(|_| KeyError::UnknownEncryption)?;
        Ok(encode_pem(ENCRYPTED_LABELS[0], &body))
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let kind = match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            Ok(pair) => Kind::P256(pair),
            Err(_) => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
                Kind::Ed25519(pair.map_err(|_| KeyError::UnsupportedPrivate)?)
            }
        };
        Ok(Self { kind, pkcs8: Secret::new(STANDARD.encode(der)) })
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        let der = match &self.kind {
            Kind::P256(pair) => [P256_PREFIX.as_slice(), pair.public_key().as_ref()].concat(),
            Kind::Ed25519(pair) => [ED25519_PREFIX.as_slice(), pair.public_key().as_ref()].concat(),
        };
        PublicKey { der }
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.kind {
            Kind::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| KeyError::NoRandomness)?.as_ref().to_vec())
            }
            Kind::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A secret that a password opens, in the form of go-securesystemslib, which cosign uses.
#[derive(Deserialize, Serialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize, Serialize)]
struct Kdf {
    name: String,
    params: ScryptParams,
    salt: String,
}

#[derive(Deserialize, Serialize)]
struct ScryptParams {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize, Serialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl Encrypted {
    const KDF: &str = "scrypt";
    const CIPHER: &str = "nacl/secretbox";

    fn seal(secret: &[u8], password: &Secret) -> Result<Self, KeyError> {
        let (mut salt, mut nonce) = ([0; 32], [0; 24]);
        let random = SystemRandom::new();
        random.fill(&mut salt).and_then(|()| random.fill(&mut nonce)).map_err(|_| KeyError::NoRandomness)?;
        let params = ScryptParams { n: 65_536, r: 8, p: 1 };
        let key = params.derive(password, &salt)?;
        let sealed = XSalsa20Poly1305::new(&key).encrypt(Nonce::from_slice(&nonce), secret);
        Ok(Self {
            kdf: Kdf { name: Self::KDF.to_owned(), params, salt: STANDARD.encode(salt) },
            cipher: Cipher { name: Self::CIPHER.to_owned(), nonce: STANDARD.encode(nonce) },
            ciphertext: STANDARD.encode(sealed.map_err(|_| KeyError::UnknownEncryption)?),
        })
    }

    fn open(&self, password: &Secret) -> Result<Vec<u8>, KeyError> {
        if self.kdf.name != Self::KDF || self.cipher.name != Self::CIPHER {
            return Err(KeyError::UnknownEncryption);
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| KeyError::UnknownEncryption);
        let (salt, nonce) = (decode(&self.kdf.salt)?, decode(&self.cipher.nonce)?);
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| KeyError::UnknownEncryption)?;
        let key = self.kdf.params.derive(password, &salt)?;
        let opened =
            XSalsa20Poly1305::new(&key).decrypt(Nonce::from_slice(&nonce), decode(&self.ciphertext)?.as_slice());
        opened.map_err(|_| KeyError::WrongPassword)
    }
}

impl ScryptParams {
    fn derive(&self, password: &Secret, salt: &[u8]) -> Result<Key, KeyError> {
        // What a stranger's file may make us compute: at most 256 MiB and some seconds.
        let log_n = self.n.checked_ilog2().filter(|log| 1 << log == self.n && (10..=18).contains(log));
        let log_n = log_n.filter(|_| self.r <= 8 && self.p <= 4).ok_or(KeyError::UnknownEncryption)?;
        let params = u8::try_from(log_n).ok().and_then(|log_n| scrypt::Params::new(log_n, self.r, self.p, 32).ok());
        let mut key = [0; 32];
        scrypt::scrypt(password.expose().as_bytes(), salt, &params.ok_or(KeyError::UnknownEncryption)?, &mut key)
            .map_err(|_| KeyError::UnknownEncryption)?;
        Ok(key.into())
    }
}

/// The label and content of the first block of PEM.
fn decode_pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label.to_owned(), STANDARD.decode(digits).ok()?))
}

fn encode_pem(label: &str, body: &[u8]) -> String {
    let digits = STANDARD.encode(body);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in digits.as_bytes().chunks(64) {
        // base64 is ASCII.
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_files_and_signs() {
        let key = PrivateKey::generate().unwrap();
        let password = Secret::new("correct horse");
        let pem = key.to_encrypted_pem(&password).unwrap();
        let again = PrivateKey::from_pem(&pem, Some(&password)).unwrap();
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        assert_eq!(public, again.public());
        let signature = again.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!PrivateKey::generate().unwrap().public().verifies(b"message", &signature));
        assert_eq!(PrivateKey::from_pem(&pem, None).err(), Some(KeyError::NeedsPassword));
        assert_eq!(PrivateKey::from_pem(&pem, Some(&Secret::new("x"))).err(), Some(KeyError::WrongPassword));
    }

    #[test]
    fn what_is_no_key_says_why() {
        assert_eq!(PublicKey::from_pem("hello").err(), Some(KeyError::NoPem));
        let private = PrivateKey::generate().unwrap().to_encrypted_pem(&Secret::new("")).unwrap();
        assert!(matches!(PublicKey::from_pem(&private), Err(KeyError::OtherPem { .. })));
        let nonsense = encode_pem(PUBLIC_LABEL, b"nonsense");
        assert_eq!(PublicKey::from_pem(&nonsense).err(), Some(KeyError::UnsupportedPublic));
        let greedy = r#"{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":""},
            "cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"ciphertext":""}"#;
        let greedy = encode_pem(ENCRYPTED_LABELS[0], greedy.as_bytes());
        let opened = PrivateKey::from_pem(&greedy, Some(&Secret::new("x")));
        assert_eq!(opened.err(), Some(KeyError::UnknownEncryption));
    }
}
