//! Finds the signatures of an artifact and judges them by keys, and by the rules of the settings.
//!
//! Signatures are kept in the cache and judged anew each time, so that a warm start needs no network and a changed rule
//! counts at once.

use thiserror::Error;

use super::keys::PublicKey;
use super::statement::{ANY_BUNDLE, Evidence};
use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::manifest::{Descriptor, Document};
use crate::progress::Progress;
use crate::pull::Network;
use crate::reference::Repository;

/// The layer of an older signature.
pub(super) const SIMPLE_PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where an older signature stands.
pub(super) const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Signatures are small, and nobody needs more of them.
const MAX_SIGNATURE: u64 = 1 << 20;
const MAX_SIGNATURES: usize = 64;

/// Why an artifact does not count as signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Nobody signed it.
    #[error("{artifact} is not signed")]
    NotSigned {
        /// The artifact, by its digest.
        artifact: String,
    },
    /// Somebody else signed it, or something else was signed.
    #[error("{artifact} has {found}, and none by the expected key")]
    NoValidSignature {
        /// The artifact, by its digest.
        artifact: String,
        /// How many there are, in words.
        found: String,
    },
    /// The signatures are not in the cache.
    #[error("the signatures of {artifact} are not in the cache, and the network is not to be used")]
    Offline {
        /// The artifact, by its digest.
        artifact: String,
    },
    /// The registry could not be asked.
    #[error("cannot look for signatures of {artifact}")]
    Registry {
        /// The artifact, by its digest.
        artifact: String,
        /// What went wrong.
        source: Box<RegistryError>,
    },
}

/// By whom an artifact is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// What is signed.
    pub digest: Digest,
    /// The key that signed it.
    pub key: PublicKey,
}

impl Client {
    /// Checks that one of `keys` signed the artifact with this digest.
    ///
    /// # Errors
    ///
    /// When none did, or it cannot be found out.
    pub async fn verify(
        &self,
        repository: &Repository,
        digest: &Digest,
        keys: &[PublicKey],
        network: Network,
        progress: &dyn Progress,
    ) -> Result<Verified, VerifyError> {
        let artifact = format!("{repository}@{digest}");
        let note = format!("signatures of {artifact}");
        let known: Vec<Evidence> = self.cache.recall(&note).unwrap_or_default();
        let signer =
            |evidence: &[Evidence]| evidence.iter().find_map(|evidence| evidence.signer(digest, keys)).cloned();
        if let Some(key) = signer(&known) {
            return Ok(Verified { digest: digest.clone(), key });
        }
        if network == Network::Offline {
            return Err(VerifyError::Offline { artifact });
        }
        let found = self
            .evidence(repository, digest, progress)
            .await
            .map_err(|source| VerifyError::Registry { artifact: artifact.clone(), source: Box::new(source) })?;
        if let Some(key) = signer(&found) {
            // Without the note the signatures are asked for again.
            if let Err(err) = self.cache.remember(&note, &found) {
                tracing::debug!("signatures are not kept: {err}");
            }
            return Ok(Verified { digest: digest.clone(), key });
        }
        Err(match found.len() {
            0 => VerifyError::NotSigned { artifact },
            1 => VerifyError::NoValidSignature { artifact, found: "a signature".to_owned() },
            n => VerifyError::NoValidSignature { artifact, found: format!("{n} signatures") },
        })
    }

    /// Checks an artifact by every rule of the settings that covers its repository, and by `extra` keys if there are any.
    /// Whoever runs or hands on an artifact calls this, unless it came from [`Client::pull_component`], which does.
    ///
    /// Any of `digests` may be the signed one: that of an index, or of the manifest that was chosen from it.
    ///
    /// # Errors
    ///
    /// When a rule is not satisfied.
    pub async fn enforce(
        &self,
        repository: &Repository,
        digests: &[&Digest],
        extra: &[PublicKey],
        network: Network,
        progress: &dyn Progress,
    ) -> Result<Vec<Verified>, VerifyError> {
        let rules = self.verification_rules(repository).into_iter().map(|rule| rule.keys.as_slice());
        let mut verified = Vec::new();
        for keys in rules.chain(Some(extra).filter(|keys| !keys.is_empty())) {
            let mut first_error = None;
            for digest in digests {
                match self.verify(repository, digest, keys, network, progress).await {
                    Ok(by) => {
                        verified.push(by);
                        first_error = None;
                        break;
                    }
                    Err(err) => _ = first_error.get_or_insert(err),
                }
            }
            if let Some(err) = first_error {
                return Err(err);
            }
        }
        Ok(verified)
    }

    /// Every signature of an artifact that the registry has, in both forms.
    async fn evidence(
        &self,
        repository: &Repository,
        digest: &Digest,
        progress: &dyn Progress,
    ) -> Result<Vec<Evidence>, RegistryError> {
        let mut evidence = Vec::new();
        for referrer in self.referrers(repository, digest, None, progress).await?.into_iter().take(MAX_SIGNATURES) {
            let may_be_bundle = referrer.artifact_type.as_deref().is_none_or(|kind| kind.starts_with(ANY_BUNDLE));
            if may_be_bundle && let Some(text) = self.bundle_in(repository, &referrer, digest, progress).await? {
                evidence.push(Evidence::Bundle(text));
            }
        }
        evidence.extend(self.simple_signatures(repository, digest, progress).await?);
        Ok(evidence)
    }

    async fn bundle_in(
        &self,
        repository: &Repository,
        referrer: &Descriptor,
        subject: &Digest,
        progress: &dyn Progress,
    ) -> Result<Option<String>, RegistryError> {
        let raw = match self.manifest(&repository.with_digest(referrer.digest.clone()), progress).await {
            Ok(raw) => raw,
            // A list can be older than what it lists.
            Err(err) if err.is_not_found() => return Ok(None),
            Err(err) => return Err(err),
        };
        let Ok(Document::Manifest(manifest)) = raw.document() else { return Ok(None) };
        let is_about = manifest.subject.as_ref().is_some_and(|descriptor| descriptor.digest == *subject);
        let layer = manifest.layers.iter().find(|layer| layer.media_type.starts_with(ANY_BUNDLE));
        let Some(layer) = layer.filter(|layer| is_about && layer.size <= MAX_SIGNATURE) else { return Ok(None) };
        self.text_of(repository, layer, progress).await
    }

    async fn simple_signatures(
        &self,
        repository: &Repository,
        digest: &Digest,
        progress: &dyn Progress,
    ) -> Result<Vec<Evidence>, RegistryError> {
        let Ok(reference) = repository.with_tag(&format!("{}.sig", digest.as_tag())) else { return Ok(Vec::new()) };
        let raw = match self.manifest(&reference, progress).await {
            Ok(raw) => raw,
            Err(err) if err.is_not_found() => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let Ok(Document::Manifest(manifest)) = raw.document() else { return Ok(Vec::new()) };
        let mut evidence = Vec::new();
        for layer in manifest.layers.iter().take(MAX_SIGNATURES) {
            let Some(signature) = layer.annotations.get(SIGNATURE_ANNOTATION) else { continue };
            if layer.media_type != SIMPLE_PAYLOAD || layer.size > MAX_SIGNATURE {
                continue;
            }
            if let Some(payload) = self.text_of(repository, layer, progress).await? {
                evidence.push(Evidence::Simple { payload, signature: signature.clone() });
            }
        }
        Ok(evidence)
    }

    async fn text_of(
        &self,
        repository: &Repository,
        layer: &Descriptor,
        progress: &dyn Progress,
    ) -> Result<Option<String>, RegistryError> {
        let bytes = self.blob(repository, layer, progress).await?.read()?;
        Ok(String::from_utf8(bytes).ok())
    }
}
