//! Copies artifacts between registries and image layouts, byte for byte, with what refers to them where that is wanted.
//!
//! Blobs that the target has are not sent, and within a registry they are taken over by it.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::Payload;
use crate::image_layout::{ImageLayout, LayoutError};
use crate::manifest::{Descriptor, Document};
use crate::manifests::RawManifest;
use crate::progress::Progress;
use crate::reference::Repository;
use crate::upload::BlobPushed;

/// How deep indexes may stand in indexes.
const MAX_DEPTH: usize = 8;
/// What cosign keeps beside an artifact, under its digest's tag with these endings.
const TAGGED_REFERRERS: [&str; 3] = ["sig", "att", "sbom"];

/// Where artifacts are copied from or to.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A repository of a registry.
    Registry(Repository),
    /// An image layout on disk.
    Layout(ImageLayout),
}

/// Whether what refers to an artifact is copied with it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Referrers {
    /// It is not.
    #[default]
    Leave,
    /// Signatures and the like come along.
    Copy,
}

/// What a copy did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Copied {
    /// The digest, which is the same on both sides.
    pub digest: Digest,
    /// How many blobs were sent.
    pub sent: u64,
    /// How many were there, or taken over by the registry itself.
    pub spared: u64,
    /// How many manifests that refer to it came along.
    pub referrers: u64,
}

/// Why nothing was copied, or not everything.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Indexes in indexes in indexes.
    #[error("{0} has indexes that are nested too deep")]
    TooDeep(Digest),
}

impl Client {
    /// Copies an artifact to each of `tags`, or under its digest alone. `name` is a tag, a digest, or for a layout with
    /// a single artifact nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be read or not written. Tags are set last, so none means half an artifact.
    pub async fn copy(
        &self,
        from: &Endpoint,
        name: Option<&str>,
        to: &Endpoint,
        tags: &[String],
        referrers: Referrers,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let root = self.manifest_from(from, name, progress).await?;
        let mut copied = Copied { digest: root.digest.clone(), sent: 0, spared: 0, referrers: 0 };
        let mut work = Work { client: self, from, to, progress, copied: &mut copied, seen: BTreeSet::new() };
        work.tree(&root).await?;
        match to {
            Endpoint::Registry(repository) => self.put_under(repository, tags, &root, progress).await?,
            Endpoint::Layout(layout) if tags.is_empty() => layout.put_manifest(None, &root)?,
            Endpoint::Layout(layout) => tags.iter().try_for_each(|tag| layout.put_manifest(Some(tag), &root))?,
        }
        if referrers == Referrers::Copy {
            work.referrers(&root.digest).await?;
        }
        Ok(copied)
    }

    async fn manifest_from(
        &self,
        endpoint: &Endpoint,
        name: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<RawManifest, CopyError> {
        match endpoint {
            Endpoint::Layout(layout) => Ok(layout.manifest(name)?),
            Endpoint::Registry(repository) => {
                let name = name.unwrap_or(crate::Reference::DEFAULT_TAG);
                let reference = match name.parse::<Digest>() {
                    Ok(digest) => repository.with_digest(digest),
                    Err(_) => repository.with_tag(name).map_err(|err| RegistryError::Setting(err.to_string()))?,
                };
                Ok(self.manifest(&reference, progress).await?)
            }
        }
    }
}

/// One copy under way.
struct Work<'a> {
    client: &'a Client,
    from: &'a Endpoint,
    to: &'a Endpoint,
    progress: &'a dyn Progress,
    copied: &'a mut Copied,
    seen: BTreeSet<Digest>,
}

impl Work<'_> {
    /// Copies everything below a manifest, and the manifests below it; the manifest itself is the caller's to put.
    async fn tree(&mut self, root: &RawManifest) -> Result<(), CopyError> {
        // Children before their parents: registries refuse a list of what they do not have.
        let mut waiting = vec![(root.clone(), 0)];
        let mut children = Vec::new();
        while let Some((raw, depth)) = waiting.pop() {
            if depth > MAX_DEPTH {
                return Err(CopyError::TooDeep(root.digest.clone()));
            }
            if !self.seen.insert(raw.digest.clone()) {
                continue;
            }
            match raw.document()? {
                Document::Manifest(manifest) => {
                    let document = Document::Manifest(manifest);
                    self.blobs(document.children().into_iter().cloned().collect()).await?;
                }
                Document::Index(index) => {
                    for child in index.manifests {
                        let digest = child.digest.to_string();
                        let raw = self.client.manifest_from(self.from, Some(&digest), self.progress).await?;
                        waiting.push((raw, depth + 1));
                    }
                }
            }
            if depth > 0 {
                children.push(raw);
            }
        }
        for child in children.iter().rev() {
            self.put_untagged(child).await?;
        }
        Ok(())
    }

    async fn put_untagged(&self, manifest: &RawManifest) -> Result<(), CopyError> {
        match self.to {
            Endpoint::Registry(repository) => {
                self.client.put_manifest(repository, None, manifest, self.progress).await?;
            }
            Endpoint::Layout(layout) => layout.put(&manifest.digest, &manifest.bytes)?,
        }
        Ok(())
    }

    /// Copies blobs, several at once.
    async fn blobs(&mut self, descriptors: Vec<Descriptor>) -> Result<(), CopyError> {
        let at_once = self.client.settings.limits.parallel_blobs.max(1);
        let unique: BTreeSet<Digest> = descriptors.iter().map(|descriptor| descriptor.digest.clone()).collect();
        let once = unique.into_iter().filter_map(|digest| descriptors.iter().find(|d| d.digest == digest));
        let copies: Vec<_> = once.map(|descriptor| self.blob(descriptor)).collect();
        let done: Vec<BlobPushed> = stream::iter(copies).buffer_unordered(at_once).try_collect().await?;
        for how in done {
            match how {
                BlobPushed::Sent => self.copied.sent += 1,
                BlobPushed::Existed | BlobPushed::Mounted => self.copied.spared += 1,
            }
        }
        Ok(())
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobPushed, CopyError> {
        let (client, progress) = (self.client, self.progress);
        match self.to {
            Endpoint::Layout(layout) if layout.has(&descriptor.digest) => Ok(BlobPushed::Existed),
            Endpoint::Layout(layout) => {
                let bytes = match self.from {
                    Endpoint::Registry(source) => {
                        client.blob(source, descriptor, progress).await?.read().map_err(RegistryError::Io)?
                    }
                    Endpoint::Layout(source) => source.read(&descriptor.digest, u64::MAX)?,
                };
                layout.put(&descriptor.digest, &bytes)?;
                Ok(BlobPushed::Sent)
            }
            Endpoint::Registry(target) => {
                let source = match self.from {
                    Endpoint::Registry(source) => Some(source),
                    Endpoint::Layout(_) => None,
                };
                let session = match client.find_blob(target, &descriptor.digest, source, progress).await? {
                    Ok(how) => return Ok(how),
                    Err(session) => session,
                };
                let payload = match self.from {
                    Endpoint::Registry(source) => payload_of(client.blob(source, descriptor, progress).await?)?,
                    Endpoint::Layout(layout) => layout.payload(descriptor)?,
                };
                client.send_blob(target, &descriptor.digest, &payload, session, progress).await?;
                Ok(BlobPushed::Sent)
            }
        }
    }

    /// Copies what refers to an artifact, in either way of keeping it.
    async fn referrers(&mut self, subject: &Digest) -> Result<(), CopyError> {
        let referrers = match self.from {
            Endpoint::Registry(source) => self.client.referrers(source, subject, None, self.progress).await?,
            Endpoint::Layout(layout) => layout.referrers(subject)?,
        };
        for referrer in referrers {
            let digest = referrer.digest.to_string();
            let raw = self.client.manifest_from(self.from, Some(&digest), self.progress).await?;
            self.tree(&raw).await?;
            match self.to {
                Endpoint::Registry(target) => self.client.put_referrer(target, subject, &raw, self.progress).await?,
                Endpoint::Layout(layout) => layout.put_manifest(None, &raw)?,
            }
            self.copied.referrers += 1;
        }
        for ending in TAGGED_REFERRERS {
            let tag = format!("{}.{ending}", subject.as_tag());
            let raw = match self.client.manifest_from(self.from, Some(&tag), self.progress).await {
                Ok(raw) => raw,
                Err(CopyError::Registry(err)) if err.is_not_found() => continue,
                Err(CopyError::Layout(LayoutError::NotFound { .. })) => continue,
                Err(err) => return Err(err),
            };
            self.tree(&raw).await?;
            match self.to {
                Endpoint::Registry(target) => self.client.put_under(target, &[tag], &raw, self.progress).await?,
                Endpoint::Layout(layout) => layout.put_manifest(Some(&tag), &raw)?,
            }
            self.copied.referrers += 1;
        }
        Ok(())
    }
}

/// A blob of the cache as it is sent; the open file keeps it from vanishing.
fn payload_of(blob: crate::CachedBlob) -> Result<Payload, RegistryError> {
    let (path, length) = (blob.path().to_owned(), blob.size());
    Ok(Payload::File { file: std::sync::Arc::new(blob.into_file()), path, start: 0, length })
}
