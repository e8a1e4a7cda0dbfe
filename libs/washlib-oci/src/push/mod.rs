//! Pushing an artifact, and giving one more tags.
//!
//! Blobs go first and the manifest last, so that whatever stops it leaves no tag that means half an artifact.

mod artifact;
mod contents;

pub use artifact::{Artifact, ArtifactError, ArtifactOptions, Profile};
pub use contents::{ContentError, Contents, Kind};

use futures_util::future::try_join;

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::Payload;
use crate::manifests::RawManifest;
use crate::progress::Progress;
use crate::reference::{Reference, Repository};
use crate::upload::BlobPushed;

/// What a push did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pushed {
    /// The manifest's digest.
    pub digest: Digest,
    /// How the content came to be in the registry.
    pub content: BlobPushed,
}

impl Client {
    /// Pushes an artifact under tags, or under its digest alone. Blobs that the repository has are not sent again,
    /// nor those that the registry takes over from another of its repositories in which they were seen.
    ///
    /// # Errors
    ///
    /// When the registry does not take it.
    pub async fn push(
        &self,
        repository: &Repository,
        tags: &[String],
        artifact: &Artifact,
        progress: &dyn Progress,
    ) -> Result<Pushed, RegistryError> {
        let layer = Payload::Bytes(artifact.layer.clone());
        let config = Payload::Bytes(artifact.config.clone().into());
        // The first one gets the token that both need.
        let content = self.push_blob(repository, &artifact.layer_descriptor.digest, &layer, progress);
        let described = self.push_blob(repository, &artifact.config_descriptor.digest, &config, progress);
        let (content, _) = try_join(content, described).await?;
        self.put_under(repository, tags, &artifact.manifest, progress).await?;
        Ok(Pushed { digest: artifact.manifest.digest.clone(), content })
    }

    /// Gives what a reference means more tags, without pulling its content.
    ///
    /// # Errors
    ///
    /// When it is not there, or the registry does not take the tags.
    pub async fn tag(
        &self,
        reference: &Reference,
        tags: &[String],
        progress: &dyn Progress,
    ) -> Result<Digest, RegistryError> {
        let raw = self.manifest(reference, progress).await?;
        self.put_under(reference.repository(), tags, &raw, progress).await?;
        Ok(raw.digest)
    }

    pub(crate) async fn put_under(
        &self,
        repository: &Repository,
        tags: &[String],
        manifest: &RawManifest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        if tags.is_empty() {
            self.put_manifest(repository, None, manifest, progress).await?;
        }
        for tag in tags {
            self.put_manifest(repository, Some(tag), manifest, progress).await?;
        }
        Ok(())
    }
}
