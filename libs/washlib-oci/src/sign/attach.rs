//! Attaches documents to an artifact, and signs one.
//!
//! What is attached says in its manifest what it is about; nothing of the artifact itself changes.

use thiserror::Error;

use super::keys::{KeyError, PrivateKey};
use super::statement::{self, BUNDLE, SIGNED};
use super::verify::{SIGNATURE_ANNOTATION, SIMPLE_PAYLOAD, VerifyError};
use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::Payload;
use crate::manifest::{Annotations, Descriptor, Document, Manifest, annotation, media_type};
use crate::manifests::RawManifest;
use crate::progress::Progress;
use crate::pull::Network;
use crate::reference::Repository;

/// In which form a signature is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SignatureFormat {
    /// A Sigstore bundle that refers to the artifact: what cosign 3 makes.
    #[default]
    Bundle,
    /// A payload of simple signing under the tag `sha256-<hex>.sig`: what cosign made before, and what skopeo and
    /// Podman check.
    Tag,
}

/// A signature that was made, or was there already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// What is signed.
    pub digest: Digest,
    /// The manifest that holds the signature.
    pub signature: Digest,
}

/// Why nothing was signed or attached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key cannot sign.
    #[error("cannot sign {artifact}")]
    Key {
        /// The artifact, by its digest.
        artifact: String,
        /// Why.
        source: KeyError,
    },
    /// The registry did not take it.
    #[error("cannot attach anything to {artifact}")]
    Registry {
        /// The artifact, by its digest.
        artifact: String,
        /// What went wrong.
        source: Box<RegistryError>,
    },
    /// What was attached is not found again.
    #[error("the registry took the signature of {artifact} but does not give it back")]
    Lost {
        /// The artifact, by its digest.
        artifact: String,
        /// What was found instead.
        source: Box<VerifyError>,
    },
}

impl Client {
    /// Signs the artifact that `subject` describes, and makes sure that the signature is found.
    ///
    /// # Errors
    ///
    /// When the key cannot sign or the registry does not take the signature.
    pub async fn sign(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        key: &PrivateKey,
        format: SignatureFormat,
        progress: &dyn Progress,
    ) -> Result<Signed, SignError> {
        let artifact = format!("{repository}@{}", subject.digest);
        let of_key = |source| SignError::Key { artifact: artifact.clone(), source };
        let of_registry = |source| SignError::Registry { artifact: artifact.clone(), source: Box::new(source) };
        let signature = match format {
            SignatureFormat::Bundle => {
                let bundle = statement::bundle(&subject.digest, key).map_err(of_key)?;
                let title = format!("{}.sigstore.json", subject.digest.as_tag());
                let annotations = Annotations::from([
                    ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
                    ("dev.sigstore.bundle.predicateType".to_owned(), SIGNED.to_owned()),
                    (annotation::CREATED.to_owned(), now()),
                ]);
                let attachment = Attachment {
                    artifact_type: BUNDLE,
                    media_type: BUNDLE,
                    title: Some(&title),
                    bytes: bundle,
                    annotations,
                };
                self.attach_bytes(repository, subject, attachment, progress).await.map_err(of_registry)?
            }
            SignatureFormat::Tag => {
                let (payload, signature) = statement::simple(repository, &subject.digest, key).map_err(of_key)?;
                self.put_simple(repository, &subject.digest, payload, signature, progress).await.map_err(of_registry)?
            }
        };
        self.verify(repository, &subject.digest, &[key.public()], Network::Online, progress)
            .await
            .map_err(|source| SignError::Lost { artifact: artifact.clone(), source: Box::new(source) })?;
        Ok(Signed { digest: subject.digest.clone(), signature })
    }

    /// Attaches a document, such as a bill of materials, to an artifact; returns the digest of the manifest around it.
    ///
    /// # Errors
    ///
    /// When the registry does not take it.
    pub async fn attach(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        attachment: Attachment<'_>,
        progress: &dyn Progress,
    ) -> Result<Digest, SignError> {
        self.attach_bytes(repository, subject, attachment, progress).await.map_err(|source| SignError::Registry {
            artifact: format!("{repository}@{}", subject.digest),
            source: Box::new(source),
        })
    }

    async fn attach_bytes(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        attachment: Attachment<'_>,
        progress: &dyn Progress,
    ) -> Result<Digest, RegistryError> {
        let config = b"{}";
        let mut layer = Descriptor::of(attachment.media_type, &attachment.bytes);
        if let Some(title) = attachment.title {
            layer.annotations.insert(annotation::TITLE.to_owned(), title.to_owned());
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: Some(attachment.artifact_type.to_owned()),
            config: Descriptor::of(media_type::EMPTY, config),
            layers: vec![layer.clone()],
            subject: Some(Descriptor {
                media_type: subject.media_type.clone(),
                digest: subject.digest.clone(),
                size: subject.size,
                ..Descriptor::of("", b"")
            }),
            annotations: attachment.annotations,
        };
        let payload = |bytes: Vec<u8>| Payload::Bytes(bytes.into());
        self.push_blob(repository, &layer.digest, &payload(attachment.bytes), progress).await?;
        self.push_blob(repository, &manifest.config.digest, &payload(config.to_vec()), progress).await?;
        let raw = raw(&manifest)?;
        self.put_referrer(repository, &subject.digest, &raw, progress).await?;
        Ok(raw.digest)
    }

    /// Adds a signature to those under the artifact's tag for signatures.
    async fn put_simple(
        &self,
        repository: &Repository,
        digest: &Digest,
        payload: Vec<u8>,
        signature: String,
        progress: &dyn Progress,
    ) -> Result<Digest, RegistryError> {
        let tag = format!("{}.sig", digest.as_tag());
        let reference = repository.with_tag(&tag).map_err(|err| RegistryError::Setting(err.to_string()))?;
        let mut layers = match self.manifest(&reference, progress).await {
            Ok(raw) => match raw.document()? {
                Document::Manifest(manifest) => manifest.layers,
                Document::Index(_) => Vec::new(),
            },
            Err(err) if err.is_not_found() => Vec::new(),
            Err(err) => return Err(err),
        };
        let mut layer = Descriptor::of(SIMPLE_PAYLOAD, &payload);
        layer.annotations.insert(SIGNATURE_ANNOTATION.to_owned(), signature);
        self.push_blob(repository, &layer.digest, &Payload::Bytes(payload.into()), progress).await?;
        layers.push(layer);
        let config = image_config(&layers);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media_type::IMAGE_CONFIG, &config),
            layers,
            subject: None,
            annotations: Annotations::new(),
        };
        self.push_blob(repository, &manifest.config.digest, &Payload::Bytes(config.into()), progress).await?;
        let raw = raw(&manifest)?;
        self.put_manifest(repository, Some(&tag), &raw, progress).await?;
        Ok(raw.digest)
    }
}

/// A document to attach.
#[derive(Clone, Debug)]
pub struct Attachment<'a> {
    /// What kind of artifact it is, such as `application/spdx+json`.
    pub artifact_type: &'a str,
    /// The document's own media type.
    pub media_type: &'a str,
    /// The name of its file.
    pub title: Option<&'a str>,
    /// The document.
    pub bytes: Vec<u8>,
    /// Notes about it.
    pub annotations: Annotations,
}

/// The configuration that readers of container images expect around signatures.
fn image_config(layers: &[Descriptor]) -> Vec<u8> {
    let digests: Vec<String> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let config = serde_json::json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": layers.iter().map(|_| serde_json::json!({ "created": "0001-01-01T00:00:00Z" })).collect::<Vec<_>>(),
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    config.to_string().into_bytes()
}

fn raw(manifest: &Manifest) -> Result<RawManifest, RegistryError> {
    let bytes = serde_json::to_vec(manifest).map_err(std::io::Error::from)?;
    let digest = Digest::of(&bytes);
    Ok(RawManifest { bytes, media_type: media_type::MANIFEST.to_owned(), digest })
}

fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}
