//! The two forms in which cosign keeps a signature of an artifact, made and judged as bytes.
//!
//! The newer one is a Sigstore bundle (version 0.3) around a DSSE envelope with an in-toto statement; the older one is a
//! payload of "simple signing" with the signature beside it. Nothing is fetched here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::keys::{KeyError, PrivateKey, PublicKey};
use crate::digest::Digest;
use crate::reference::Repository;

/// The media type of a bundle.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What the media types of all versions of bundles begin with.
pub(super) const ANY_BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign calls the statement that an artifact is signed.
pub(super) const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT: &str = "application/vnd.in-toto+json";
const SIMPLE_SIGNED: &str = "cosign container image signature";

/// What shows that somebody signed an artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Evidence {
    /// A bundle's text.
    Bundle(String),
    /// A payload and, in base64, its signature.
    Simple { payload: String, signature: String },
}

/// Makes a bundle that says that the artifact with this digest is signed.
pub(super) fn bundle(digest: &Digest, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { digest.algorithm().to_string(): digest.hex() }, "annotations": {} }],
        "predicateType": SIGNED,
        "predicate": {},
    });
    let payload = statement.to_string();
    let signature = key.sign(&pre_authentication_encoding(STATEMENT, payload.as_bytes()))?;
    let bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": key.public().hint() }, "tlogEntries": [] },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": STATEMENT,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    Ok(bundle.to_string().into_bytes())
}

/// Makes a payload of simple signing and its signature in base64.
pub(super) fn simple(
    repository: &Repository,
    digest: &Digest,
    key: &PrivateKey,
) -> Result<(Vec<u8>, String), KeyError> {
    // As others call Docker Hub.
    let registry = if repository.registry() == "docker.io" { "index.docker.io" } else { repository.registry() };
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": format!("{registry}/{}", repository.path()) },
            "image": { "docker-manifest-digest": digest.to_string() },
            "type": SIMPLE_SIGNED,
        },
        "optional": null,
    });
    let payload = payload.to_string().into_bytes();
    let signature = STANDARD.encode(key.sign(&payload)?);
    Ok((payload, signature))
}

impl Evidence {
    /// The key among `keys` that signed the artifact with this digest; none where this shows no such thing.
    pub(super) fn signer<'k>(&self, digest: &Digest, keys: &'k [PublicKey]) -> Option<&'k PublicKey> {
        match self {
            Self::Bundle(text) => signer_of_bundle(text, digest, keys),
            Self::Simple { payload, signature } => {
                let signature = STANDARD.decode(signature.trim()).ok()?;
                let key = keys.iter().find(|key| key.verifies(payload.as_bytes(), &signature))?;
                let payload: Value = serde_json::from_str(payload).ok()?;
                let critical = payload.get("critical")?;
                let is_signature = critical.get("type")?.as_str()? == SIMPLE_SIGNED;
                let signed = critical.get("image")?.get("docker-manifest-digest")?.as_str()?;
                (is_signature && signed == digest.to_string()).then_some(key)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: std::collections::BTreeMap<String, String>,
}

fn signer_of_bundle<'k>(text: &str, digest: &Digest, keys: &'k [PublicKey]) -> Option<&'k PublicKey> {
    let Bundle { dsse_envelope: envelope } = serde_json::from_str(text).ok()?;
    let payload = STANDARD.decode(&envelope.payload).ok()?;
    let signed = pre_authentication_encoding(&envelope.payload_type, &payload);
    let signatures: Vec<Vec<u8>> = envelope.signatures.iter().filter_map(|s| STANDARD.decode(&s.sig).ok()).collect();
    let key = keys.iter().find(|key| signatures.iter().any(|signature| key.verifies(&signed, signature)))?;
    if envelope.payload_type != STATEMENT {
        return None;
    }
    let statement: Statement = serde_json::from_slice(&payload).ok()?;
    let is_statement = statement.kind.starts_with("https://in-toto.io/Statement/");
    let algorithm = digest.algorithm().to_string();
    let is_subject = |subject: &Subject| subject.digest.get(&algorithm).is_some_and(|hex| hex == digest.hex());
    let is_signed = statement.predicate_type == SIGNED && statement.subject.iter().any(is_subject);
    (is_statement && is_signed).then_some(key)
}

/// DSSE's encoding of what is signed: both texts with their lengths, so that neither can pass for the other.
fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_that_of_the_specification() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn only_the_signed_artifact_and_the_right_key_count() {
        let key = PrivateKey::generate().unwrap();
        let keys = [PrivateKey::generate().unwrap().public(), key.public()];
        let (digest, other) = (Digest::of(b"artifact"), Digest::of(b"another"));
        let repository: Repository = "ghcr.io/acme/hello".parse().unwrap();
        let text = String::from_utf8(bundle(&digest, &key).unwrap()).unwrap();
        let (payload, signature) = simple(&repository, &digest, &key).unwrap();
        let simple = Evidence::Simple { payload: String::from_utf8(payload).unwrap(), signature };
        for evidence in [Evidence::Bundle(text), simple] {
            assert_eq!(evidence.signer(&digest, &keys), Some(&keys[1]));
            assert_eq!(evidence.signer(&other, &keys), None);
            assert_eq!(evidence.signer(&digest, &keys[..1]), None);
        }
    }

    #[test]
    fn a_statement_of_another_kind_is_no_signature() {
        let key = PrivateKey::generate().unwrap();
        let digest = Digest::of(b"artifact");
        let text = String::from_utf8(bundle(&digest, &key).unwrap()).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let payload = STANDARD.decode(document["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        let changed = String::from_utf8(payload).unwrap().replace(SIGNED, "https://slsa.dev/provenance/v1");
        let signature = key.sign(&pre_authentication_encoding(STATEMENT, changed.as_bytes())).unwrap();
        document["dsseEnvelope"]["payload"] = STANDARD.encode(&changed).into();
        document["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode(signature).into();
        assert_eq!(Evidence::Bundle(document.to_string()).signer(&digest, &[key.public()]), None);
    }

    #[test]
    fn hostile_evidence_is_none() {
        let keys = [PrivateKey::generate().unwrap().public()];
        let digest = Digest::of(b"artifact");
        for text in ["", "{}", "[]", r#"{"dsseEnvelope":{"payload":"!","payloadType":"x","signatures":[]}}"#] {
            assert_eq!(Evidence::Bundle(text.to_owned()).signer(&digest, &keys), None);
            let simple = Evidence::Simple { payload: text.to_owned(), signature: text.to_owned() };
            assert_eq!(simple.signer(&digest, &keys), None);
        }
    }
}
