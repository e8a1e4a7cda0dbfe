//! Pulling a component: from the cache or a registry, in any layout, verified.
//!
//! Writes only into the cache. What the component does is nobody's business here.

mod layers;
mod unpack;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cache::{BlobReader, CachedBlob};
use crate::client::Client;
use crate::digest::Digest;
use crate::download::on_thread;
use crate::error::RegistryError;
use crate::manifest::{Annotations, Descriptor, Document, Index, Manifest};
use crate::manifests::{MAX_MANIFEST, RawManifest};
use crate::progress::Progress;
use crate::reference::Reference;
use crate::sign::{PublicKey, Verified, VerifyError};

pub use layers::{LayerChoice, LayerError, Layout};
pub use unpack::UnpackError;

use unpack::Content;

/// How deep indexes may stand in indexes.
const MAX_INDEXES: usize = 3;
/// As much of a layer as tells what it is.
const BEGINNING: u64 = 512;

/// When a registry is asked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PullPolicy {
    /// Each time, what a tag means now. What it means is sent only if it is not in the cache.
    Always,
    /// When the cache does not have it: what a tag meant when it was last asked for counts.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// Whether the network may be used at all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Network {
    /// It may.
    #[default]
    Online,
    /// It may not.
    Offline,
}

/// What the content must be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Expect {
    /// WebAssembly, unpacked where it stands in an archive.
    #[default]
    Wasm,
    /// Anything: the layer as it is.
    Anything,
}

/// How to pull.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// When to ask the registry. Of no meaning where the network may not be used, but for
    /// [`PullPolicy::Always`], which is an error then.
    pub policy: PullPolicy,
    /// Whether the network may be used.
    pub network: Network,
    /// Which layer is wanted.
    pub layer: LayerChoice,
    /// What the content must be.
    pub expect: Expect,
    /// Keys of which one must have signed the artifact, besides what the settings demand.
    pub keys: Vec<PublicKey>,
    /// An empty file that gets the content while that is verified, where it comes out of the cache as it is:
    /// [`PulledComponent::is_copied`] tells. It stays empty otherwise.
    pub copy: Option<Arc<File>>,
}

/// Where an artifact came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The cache: nothing was sent.
    Cache,
    /// A registry.
    Registry,
}

/// What kind of WebAssembly an artifact is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentKind {
    /// A component, or a WIT package in its binary form.
    Component,
    /// A core module.
    CoreModule,
    /// Something else, which only [`Expect::Anything`] allows.
    Other,
}

/// An artifact that was pulled.
#[derive(Debug)]
pub struct PulledComponent {
    /// What was asked for.
    pub reference: Reference,
    /// The digest that the reference means: of the index, where it names one, else of the manifest.
    pub digest: Digest,
    /// The layer that is the content, as the manifest describes it.
    pub layer: Descriptor,
    /// The digest of the content. Not the layer's where the content was unpacked from it.
    pub content_digest: Digest,
    /// How the artifact is packed.
    pub layout: Layout,
    /// What the content is.
    pub kind: ContentKind,
    /// What the manifest notes.
    pub annotations: Annotations,
    /// Where it came from.
    pub source: Source,
    /// The signatures that were demanded.
    pub verified: Vec<Verified>,
    blob: CachedBlob,
    copied: bool,
}

impl PulledComponent {
    /// Whether [`PullOptions::copy`] has the content.
    pub fn is_copied(&self) -> bool {
        self.copied
    }

    /// The content's file in the cache. Another process may remove it there; [`Self::read`] works all the same.
    pub fn path(&self) -> &Path {
        self.blob.path()
    }

    /// The content's length in bytes.
    pub fn size(&self) -> u64 {
        self.blob.size()
    }

    /// The content.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        self.blob.read()
    }

    /// A reader from the content's beginning.
    pub fn reader(&self) -> BlobReader<'_> {
        self.blob.reader()
    }
}

/// Why an artifact was not pulled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PullError {
    /// The registry did not give it.
    #[error("cannot pull {reference}")]
    Registry {
        /// What was asked for.
        reference: Box<Reference>,
        /// What went wrong.
        source: Box<RegistryError>,
    },
    /// It is not in the cache, and the registry may not be asked.
    #[error("{reference} is not in the cache, and {reason}")]
    NotCached {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why the registry may not be asked.
        reason: &'static str,
    },
    /// Each time means with the network.
    #[error("{reference} is to be pulled each time, and the network is not to be used")]
    AlwaysOffline {
        /// What was asked for.
        reference: Box<Reference>,
    },
    /// The index names nothing that is WebAssembly.
    #[error("{reference} is an index without WebAssembly: it has {platforms}")]
    NoPlatform {
        /// What was asked for.
        reference: Box<Reference>,
        /// What it has instead.
        platforms: String,
    },
    /// It is not clear which layer is the content.
    #[error("{reference} cannot be used")]
    Layer {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why.
        source: LayerError,
    },
    /// The content is not what it should be.
    #[error("{reference} cannot be used")]
    Content {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why.
        source: UnpackError,
    },
    /// It is not signed as it must be.
    #[error("{reference} must not be used")]
    Unverified {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why.
        source: Box<VerifyError>,
    },
}

/// What a tag meant when it was last asked for.
#[derive(Deserialize, Serialize)]
struct TagNote {
    digest: Digest,
}

/// A manifest, and how it was come to.
struct Located {
    digest: Digest,
    raw: RawManifest,
    manifest: Manifest,
    source: Source,
}

impl Client {
    /// Pulls a component, or takes it from the cache. With a digest or [`PullPolicy::IfNotPresent`], what is in the
    /// cache needs no network. What the settings demand to be signed is verified before its content is fetched.
    ///
    /// Can be dropped at any time: nothing half-made is left, and what has come is continued by the next pull.
    ///
    /// # Errors
    ///
    /// When it cannot be had, is not what it says it is, or is not signed as it must be.
    pub async fn pull_component(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<PulledComponent, PullError> {
        let of_registry =
            |source| PullError::Registry { reference: Box::new(reference.clone()), source: Box::new(source) };
        if options.network == Network::Offline && options.policy == PullPolicy::Always && reference.digest().is_none() {
            return Err(PullError::AlwaysOffline { reference: Box::new(reference.clone()) });
        }
        progress.message(&format!("pulling {reference}"));
        let located = self.locate(reference, options, progress).await?;
        let repository = reference.repository();
        let network = if may_ask(options).is_ok() { Network::Online } else { Network::Offline };
        let digests = [&located.digest, &located.raw.digest];
        let verified =
            self.enforce(repository, &digests, &options.keys, network, progress).await.map_err(|source| {
                PullError::Unverified { reference: Box::new(reference.clone()), source: Box::new(source) }
            })?;

        let layout = Layout::of(&located.manifest);
        let choice = match (&options.layer, options.expect) {
            // A person who takes anything takes the only layer there is, whatever it is.
            (LayerChoice::Only, Expect::Anything) if located.manifest.layers.len() == 1 => {
                LayerChoice::Named("0".to_owned())
            }
            (choice, _) => choice.clone(),
        };
        let layer = layers::choose(&located.manifest, layout, &choice)
            .map_err(|source| PullError::Layer { reference: Box::new(reference.clone()), source })?;
        let cached = self.cached_blob(&layer, options.copy.clone()).await.map_err(of_registry)?;
        let source = if cached.is_some() { located.source } else { Source::Registry };
        let (blob, copied) = match cached {
            Some(cached) => cached,
            None => {
                may_ask(options).map_err(|reason| not_cached(reference, reason))?;
                (self.blob(repository, &layer, progress).await.map_err(of_registry)?, false)
            }
        };
        if located.source == Source::Registry {
            // A registry takes no manifest without its blobs.
            for digest in [&layer.digest, &located.manifest.config.digest] {
                self.cache.remember_place_of_blob(repository, digest);
            }
        }
        let (blob, kind, content_digest) = self.content(reference, &layer, blob, options.expect).await?;
        // What was unpacked is not what was copied.
        let is_layer = content_digest == layer.digest;
        if let Some(copy) = options.copy.as_ref().filter(|_| copied && !is_layer) {
            copy.set_len(0).map_err(|err| of_registry(err.into()))?;
        }
        Ok(PulledComponent {
            reference: reference.clone(),
            digest: located.digest,
            layer,
            content_digest,
            layout,
            kind,
            annotations: located.manifest.annotations,
            source,
            verified,
            blob,
            copied: copied && is_layer,
        })
    }

    /// The manifest of a reference: through indexes, from the cache as the policy allows it.
    async fn locate(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Located, PullError> {
        let (mut raw, mut source) = self.manifest_by_policy(reference, options, progress).await?;
        let digest = raw.digest.clone();
        for _ in 0..=MAX_INDEXES {
            let document = raw.document().map_err(|source| PullError::Registry {
                reference: Box::new(reference.clone()),
                source: Box::new(source),
            })?;
            match document {
                Document::Manifest(manifest) => return Ok(Located { digest, raw, manifest, source }),
                Document::Index(index) => {
                    let chosen = choose_platform(&index).map_err(|platforms| PullError::NoPlatform {
                        reference: Box::new(reference.clone()),
                        platforms,
                    })?;
                    let pinned = reference.repository().with_digest(chosen.digest.clone());
                    let (next, next_source) = self.manifest_by_policy(&pinned, options, progress).await?;
                    raw = next;
                    if next_source == Source::Registry {
                        source = Source::Registry;
                    }
                }
            }
        }
        Err(PullError::NoPlatform {
            reference: Box::new(reference.clone()),
            platforms: "indexes in indexes".to_owned(),
        })
    }

    async fn manifest_by_policy(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<(RawManifest, Source), PullError> {
        let of_registry =
            |source| PullError::Registry { reference: Box::new(reference.clone()), source: Box::new(source) };
        let note = tag_note(reference);
        let known = match reference.digest() {
            // A digest means the same for ever, whatever the policy.
            Some(digest) => Some(digest.clone()),
            None if options.policy == PullPolicy::Always => None,
            None => self.cache.recall::<TagNote>(&note).map(|note| note.digest),
        };
        if let Some(digest) = known
            && let Some(blob) = self.cache.blob(&digest).map_err(|err| of_registry(err.into()))?
            && blob.size() <= MAX_MANIFEST
        {
            let bytes = blob.read().map_err(|err| of_registry(err.into()))?;
            return Ok((RawManifest::of_unknown_type(bytes, digest), Source::Cache));
        }
        may_ask(options).map_err(|reason| not_cached(reference, reason))?;
        let raw = self.manifest(reference, progress).await.map_err(of_registry)?;
        // What is no manifest is not kept as one.
        raw.document().map_err(of_registry)?;
        let keep = || {
            self.cache.put(&raw.digest, &raw.bytes)?;
            if reference.digest().is_none() {
                self.cache.remember(&note, &TagNote { digest: raw.digest.clone() })?;
            }
            Ok(())
        };
        keep().map_err(|err: crate::cache::CacheError| of_registry(err.into()))?;
        Ok((raw, Source::Registry))
    }

    /// Finds out what a layer holds, and unpacks it where that is an archive.
    async fn content(
        &self,
        reference: &Reference,
        layer: &Descriptor,
        blob: CachedBlob,
        expect: Expect,
    ) -> Result<(CachedBlob, ContentKind, Digest), PullError> {
        let of_registry =
            |source| PullError::Registry { reference: Box::new(reference.clone()), source: Box::new(source) };
        let mut beginning = Vec::new();
        blob.reader().take(BEGINNING).read_to_end(&mut beginning).map_err(|err| of_registry(err.into()))?;
        let content = Content::of(&beginning);
        let kind = kind_of(content);
        if expect == Expect::Anything || kind != ContentKind::Other {
            return Ok((blob, kind, layer.digest.clone()));
        }
        let wrong = |source| PullError::Content { reference: Box::new(reference.clone()), source };
        if content == Content::Other {
            let beginning = crate::digest::hex(&beginning[..beginning.len().min(8)]);
            return Err(wrong(UnpackError::NotWasm { beginning }));
        }
        let (cache, limit) = (self.cache.clone(), self.settings.limits.blob_bytes.min(MAX_UNPACKED));
        let unpacked = on_thread(move || -> Result<_, RegistryError> {
            let module = match unpack::module(blob.reader(), content, limit) {
                Ok(module) => module,
                Err(err) => return Ok(Err(err)),
            };
            let digest = Digest::of(&module);
            cache.put(&digest, &module)?;
            let blob = match cache.blob(&digest)? {
                Some(blob) => Some(blob),
                // What was there had the right size and other bytes; it has been removed.
                None => {
                    cache.put(&digest, &module)?;
                    cache.blob(&digest)?
                }
            };
            Ok(Ok((blob, kind_of(Content::of(&module)), digest)))
        });
        let (blob, kind, digest) = unpacked.await.map_err(of_registry)?.map_err(wrong)?;
        let gone = || of_registry(RegistryError::Io(io::Error::other("the cache lost what was just put into it")));
        Ok((blob.ok_or_else(gone)?, kind, digest))
    }
}

/// More than this is unpacked from no archive: it is held in memory.
const MAX_UNPACKED: u64 = 512 << 20;

fn kind_of(content: Content) -> ContentKind {
    match content {
        Content::Component => ContentKind::Component,
        Content::CoreModule => ContentKind::CoreModule,
        Content::Gzip | Content::Tar | Content::Other => ContentKind::Other,
    }
}

/// The key of what a tag meant.
fn tag_note(reference: &Reference) -> String {
    format!("{}:{}", reference.repository(), reference.tag_or_default())
}

/// Whether the registry may be asked; if not, why.
fn may_ask(options: &PullOptions) -> Result<(), &'static str> {
    match (options.network, options.policy) {
        (Network::Offline, _) => Err("the network is not to be used"),
        (_, PullPolicy::Never) => Err("it is never to be pulled"),
        _ => Ok(()),
    }
}

fn not_cached(reference: &Reference, reason: &'static str) -> PullError {
    PullError::NotCached { reference: Box::new(reference.clone()), reason }
}

/// The manifest for WebAssembly: by its platform, else the only one that there is. Otherwise, what there is.
fn choose_platform(index: &Index) -> Result<&Descriptor, String> {
    let os = |descriptor: &Descriptor| descriptor.platform.as_ref().map(|p| (p.architecture.clone(), p.os.clone()));
    for wanted in ["wasip2", "wasip1", "wasi"] {
        let found = index.manifests.iter().find(|descriptor| {
            os(descriptor).is_some_and(|(architecture, os)| architecture.starts_with("wasm") && os == wanted)
        });
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let is_wasm =
        |descriptor: &&Descriptor| os(descriptor).is_some_and(|(architecture, _)| architecture.starts_with("wasm"));
    // Attestations of container builders hide among the platforms.
    let is_real = |descriptor: &&Descriptor| os(descriptor).is_none_or(|(_, os)| os != "unknown");
    let wasm: Vec<&Descriptor> = index.manifests.iter().filter(is_wasm).collect();
    let real: Vec<&Descriptor> = index.manifests.iter().filter(is_real).collect();
    match (wasm.as_slice(), real.as_slice()) {
        ([first, ..], _) => Ok(first),
        ([], [only]) => Ok(only),
        ([], []) => Err("nothing".to_owned()),
        ([], several) => {
            let name = |descriptor: &&Descriptor| match os(descriptor) {
                Some((architecture, os)) => crate::error::printable(&format!("{os}/{architecture}")),
                None => crate::error::printable(&descriptor.media_type),
            };
            Err(several.iter().take(10).map(name).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Platform, media_type};

    #[test]
    fn the_platform_of_webassembly_is_preferred() {
        let of = |architecture: &str, os: &str| Descriptor {
            platform: Some(Platform { architecture: architecture.into(), os: os.into() }),
            ..Descriptor::of(media_type::MANIFEST, format!("{architecture}{os}").as_bytes())
        };
        let chosen = |manifests: &[Descriptor]| {
            let index = Index { manifests: manifests.to_vec(), ..Index::empty() };
            choose_platform(&index).cloned()
        };
        let (linux, p1, p2) = (of("amd64", "linux"), of("wasm", "wasip1"), of("wasm", "wasip2"));
        assert_eq!(chosen(&[linux.clone(), p1.clone(), p2.clone()]), Ok(p2));
        assert_eq!(chosen(&[linux.clone(), p1.clone()]), Ok(p1));
        assert_eq!(chosen(&[linux.clone(), of("unknown", "unknown")]), Ok(linux.clone()));
        assert_eq!(chosen(&[linux, of("arm64", "linux")]), Err("linux/amd64, linux/arm64".to_owned()));
        assert_eq!(chosen(&[]), Err("nothing".to_owned()));
    }
}
