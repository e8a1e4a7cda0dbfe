//! Manifests and indexes: asked for, pulled, pushed, deleted, always as the bytes that they are.
//!
//! Which part of an artifact is wanted is not decided here.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;

use crate::client::{Client, manifest_target};
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::{Payload, Request, Response, Scope, Target};
use crate::manifest::{Descriptor, Document, media_type};
use crate::progress::Progress;
use crate::reference::{Reference, Repository};

/// The largest manifest that is read, as the distribution specification advises.
pub const MAX_MANIFEST: u64 = 4 << 20;

const ACCEPTED: [&str; 4] =
    [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_INDEX];

/// A manifest or index as a registry keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawManifest {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Its digest, checked.
    pub digest: Digest,
}

impl RawManifest {
    /// What it says.
    ///
    /// # Errors
    ///
    /// When it is neither a manifest nor an index.
    pub fn document(&self) -> Result<Document, RegistryError> {
        Document::parse(&self.media_type, &self.bytes)
            .map_err(|source| RegistryError::Document { what: format!("the manifest {}", self.digest), source })
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest.clone(), ..Descriptor::of(&self.media_type, &self.bytes) }
    }

    /// Bytes whose media type nobody told: they say it themselves, or their shape does.
    pub(crate) fn of_unknown_type(bytes: Vec<u8>, digest: Digest) -> Self {
        Self { media_type: media_type_of(&bytes).to_owned(), bytes, digest }
    }
}

/// What a registry said to a manifest that it was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SubjectSeen {
    /// It keeps the list of referrers itself.
    Yes,
    /// It did not look at the subject, or there is none.
    No,
}

impl Client {
    /// What a reference means now: the digest, size and media type of its manifest.
    ///
    /// # Errors
    ///
    /// When the registry does not have it or does not tell.
    pub async fn resolve(&self, reference: &Reference, progress: &dyn Progress) -> Result<Descriptor, RegistryError> {
        let repository = reference.repository();
        let request = self.manifest_request(Method::HEAD, repository, reference, progress);
        let response = match self.transport.send(&request).await {
            // Some registries do not know `HEAD`.
            Err(RegistryError::NotFound { .. } | RegistryError::Status { status: 400 | 405 | 501, .. }) => {
                return Ok(self.manifest(reference, progress).await?.descriptor());
            }
            response => response?,
        };
        let digest = response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
        let size = response.header("content-length").and_then(|text| text.parse::<u64>().ok());
        match (digest, size, content_type(&response)) {
            (Some(digest), Some(size), Some(media_type)) => {
                if let Some(expected) = reference.digest()
                    && *expected != digest
                {
                    return Err(wrong_digest(reference, expected.clone(), digest));
                }
                Ok(Descriptor { digest, size, media_type, ..Descriptor::of("", b"") })
            }
            // Some registries leave one of them out.
            _ => Ok(self.manifest(reference, progress).await?.descriptor()),
        }
    }

    /// A manifest or index, from a mirror if there is one. Not from the cache, and not into it.
    ///
    /// # Errors
    ///
    /// When it is not there, too large, or another one than its digest says.
    pub async fn manifest(&self, reference: &Reference, progress: &dyn Progress) -> Result<RawManifest, RegistryError> {
        let places = self.places(reference.repository())?;
        let (last, mirrors) = places.split_last().unwrap_or((reference.repository(), &[]));
        for mirror in mirrors {
            match self.manifest_at(mirror, reference, progress).await {
                Ok(manifest) => return Ok(manifest),
                Err(err) => tracing::debug!("the mirror {mirror} does not help: {err}"),
            }
        }
        self.manifest_at(last, reference, progress).await
    }

    async fn manifest_at(
        &self,
        place: &Repository,
        reference: &Reference,
        progress: &dyn Progress,
    ) -> Result<RawManifest, RegistryError> {
        let request = self.manifest_request(Method::GET, place, reference, progress);
        let mut response = self.transport.send(&request).await?;
        let announced = response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
        let told = content_type(&response);
        let bytes = response.bytes(MAX_MANIFEST).await?;
        // What was asked for, else what the registry says, else what it is.
        let digest = reference.digest().cloned().or(announced).unwrap_or_else(|| Digest::of(&bytes));
        if !digest.matches(&bytes) {
            return Err(wrong_digest(reference, digest, Digest::of(&bytes)));
        }
        Ok(match told {
            Some(media_type) => RawManifest { bytes, media_type, digest },
            None => RawManifest::of_unknown_type(bytes, digest),
        })
    }

    fn manifest_request<'a>(
        &self,
        method: Method,
        place: &'a Repository,
        reference: &Reference,
        progress: &'a dyn Progress,
    ) -> Request<'a> {
        Request::new(place, method, manifest_target(reference), progress)
            .header(ACCEPT, ACCEPTED.join(", "))
            .about(format!("pulling {reference}"), reference.to_string())
    }

    /// Puts a manifest under a tag, or under its digest alone.
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&str>,
        manifest: &RawManifest,
        progress: &dyn Progress,
    ) -> Result<SubjectSeen, RegistryError> {
        let identifier = tag.map_or_else(|| manifest.digest.to_string(), str::to_owned);
        let separator = if tag.is_some() { ':' } else { '@' };
        let named = format!("{repository}{separator}{identifier}");
        let request =
            Request::new(repository, Method::PUT, Target::Repository(format!("manifests/{identifier}")), progress)
                .header(CONTENT_TYPE, manifest.media_type.clone())
                .about(format!("pushing {named}"), repository.to_string())
                .scopes([Scope::push(repository)])
                .payload(Payload::Bytes(manifest.bytes.clone().into()));
        let response = self.transport.send(&request).await?;
        let kept = response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
        if let Some(found) =
            kept.filter(|kept| kept.algorithm() == manifest.digest.algorithm() && *kept != manifest.digest)
        {
            return Err(RegistryError::Digest { what: named, expected: manifest.digest.clone(), found });
        }
        Ok(if response.headers().contains_key("oci-subject") { SubjectSeen::Yes } else { SubjectSeen::No })
    }

    /// Deletes a tag, or with a digest the manifest and all tags that mean it.
    ///
    /// # Errors
    ///
    /// When it is not there, or the registry deletes nothing.
    pub async fn delete(&self, reference: &Reference, progress: &dyn Progress) -> Result<(), RegistryError> {
        let repository = reference.repository();
        let request = Request::new(repository, Method::DELETE, manifest_target(reference), progress)
            .about(format!("deleting {reference}"), reference.to_string())
            .scopes([Scope::delete(repository)]);
        self.transport.send(&request).await.map(drop)
    }
}

fn wrong_digest(reference: &Reference, expected: Digest, found: Digest) -> RegistryError {
    RegistryError::Digest { what: format!("the manifest of {reference}"), expected, found }
}

/// The media type that a registry tells, unless it says nothing.
fn content_type(response: &Response) -> Option<String> {
    let text = response.header("content-type")?.split(';').next()?.trim();
    let says_nothing =
        matches!(text, "" | "application/json" | "application/octet-stream" | "text/plain" | "binary/octet-stream");
    (!says_nothing).then(|| text.to_owned())
}

fn media_type_of(bytes: &[u8]) -> &'static str {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let shape: Shape = serde_json::from_slice(bytes).unwrap_or_default();
    let named = ACCEPTED.iter().find(|known| shape.media_type.as_deref() == Some(**known));
    named.copied().unwrap_or(if shape.manifests.is_some() { media_type::INDEX } else { media_type::MANIFEST })
}
