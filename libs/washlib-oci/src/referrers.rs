//! What refers to an artifact: signatures, provenance, bills of materials.
//!
//! Uses the referrers API of the distribution specification 1.1, and the tag that stands for it where there is none.

use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::{Request, Response, Target};
use crate::manifest::{Descriptor, Document, Index, media_type};
use crate::manifests::{MAX_MANIFEST, RawManifest, SubjectSeen};
use crate::progress::Progress;
use crate::reference::Repository;
use crate::tags::next_page;

/// More pages than this are a registry that goes round in circles.
const MAX_PAGES: usize = 1000;

impl Client {
    /// The manifests that refer to the one with this digest, of one artifact type or of all.
    ///
    /// # Errors
    ///
    /// When the registry cannot be asked; one that has none gives an empty list.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let listed = match self.listed_referrers(repository, subject, artifact_type, progress).await? {
            Some(listed) => listed,
            None => self.tagged_referrers(repository, subject, progress).await?.manifests,
        };
        let is_wanted = |descriptor: &Descriptor| match artifact_type {
            Some(wanted) => descriptor.artifact_type.as_deref() == Some(wanted),
            None => true,
        };
        Ok(listed.into_iter().filter(is_wanted).collect())
    }

    /// By the API; none where the registry does not have it.
    async fn listed_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let mut path = format!("referrers/{subject}");
        if let Some(artifact_type) = artifact_type {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            path.push('?');
            path.push_str(&query.append_pair("artifactType", artifact_type).finish());
        }
        let mut target = Target::Repository(path);
        let mut referrers: Vec<Descriptor> = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = Request::new(repository, Method::GET, target, progress)
                .header(ACCEPT, media_type::INDEX)
                .about(format!("asking what refers to {repository}@{subject}"), format!("{repository}@{subject}"))
                // How registries without the API say so.
                .accepting(&[400, 404, 405, 501]);
            let mut response = self.transport.send(&request).await?;
            if !response.status().is_success() || !is_index(&response) {
                return Ok(None);
            }
            let next = next_page(&response);
            let body = response.bytes(MAX_MANIFEST).await?;
            let Ok(Document::Index(index)) = Document::parse(media_type::INDEX, &body) else { return Ok(None) };
            let before = referrers.len();
            for manifest in index.manifests {
                if !referrers.iter().any(|known| known.digest == manifest.digest) {
                    referrers.push(manifest);
                }
            }
            match next {
                // A page without anything new would be followed by itself.
                Some(next) if referrers.len() > before => target = Target::Url(next),
                _ => break,
            }
        }
        Ok(Some(referrers))
    }

    /// By the tag that stands for the API.
    async fn tagged_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        progress: &dyn Progress,
    ) -> Result<Index, RegistryError> {
        let Ok(reference) = repository.with_tag(&subject.as_tag()) else { return Ok(Index::empty()) };
        let raw = match self.manifest(&reference, progress).await {
            Ok(raw) => raw,
            Err(err) if err.is_not_found() => return Ok(Index::empty()),
            Err(err) => return Err(err),
        };
        // Some registries answer a digest's tag with the artifact itself.
        if raw.digest == *subject {
            return Ok(Index::empty());
        }
        match raw.document() {
            Ok(Document::Index(index)) => Ok(index),
            _ => Ok(Index::empty()),
        }
    }

    /// Puts a manifest that refers to another one, and sees to it that it is found.
    pub(crate) async fn put_referrer(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &RawManifest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        if self.put_manifest(repository, None, manifest, progress).await? == SubjectSeen::Yes {
            return Ok(());
        }
        let mut index = self.tagged_referrers(repository, subject, progress).await?;
        if index.manifests.iter().any(|known| known.digest == manifest.digest) {
            return Ok(());
        }
        let document = manifest.document()?;
        let mut descriptor = manifest.descriptor();
        // Where there is no API, the list is all that a reader sees.
        descriptor.artifact_type = document.artifact_type().map(str::to_owned);
        descriptor.annotations = document.annotations().clone();
        index.manifests.push(descriptor);
        index.media_type = Some(media_type::INDEX.to_owned());
        let bytes = serde_json::to_vec(&index).map_err(std::io::Error::from)?;
        let digest = Digest::of(&bytes);
        let list = RawManifest { bytes, media_type: media_type::INDEX.to_owned(), digest };
        self.put_manifest(repository, Some(&subject.as_tag()), &list, progress).await.map(drop)
    }
}

fn is_index(response: &Response) -> bool {
    response
        .header("content-type")
        .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == media_type::INDEX)
}
