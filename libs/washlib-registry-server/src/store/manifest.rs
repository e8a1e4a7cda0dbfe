//! Manifests: what they are, what they name, and whether they may be stored.
//!
//! Only what a registry must know is read; the bytes are stored as they came.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::name::Digest;
use crate::store::StoreError;
use crate::store::index::{Descriptor, INDEX_MEDIA_TYPE, or_default};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Layers that a manifest may name although they are kept elsewhere.
const KEPT_ELSEWHERE: [&str; 2] =
    ["application/vnd.oci.image.layer.nondistributable.v1.", "application/vnd.docker.image.rootfs.foreign.diff."];

/// A manifest or an index: the fields that a registry looks at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest<'a> {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
    /// Read only when somebody asks for referrers: until then even wrong ones do no harm.
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Image,
    Index,
}

fn kind(media_type: &str) -> Option<Kind> {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Image),
        INDEX_MEDIA_TYPE | DOCKER_LIST => Some(Kind::Index),
        _ => None,
    }
}

/// A manifest that may be stored.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) media_type: String,
    /// The blobs that have to be in the repository.
    pub(super) blobs: Vec<Descriptor>,
    pub(super) subject: Option<Digest>,
}

/// Checks what a client pushes as a manifest. `content_type` is the header's value.
pub(super) fn check(content: &[u8], content_type: Option<&str>) -> Result<Checked, StoreError> {
    let invalid = |reason: String| StoreError::InvalidManifest(reason);
    let manifest = Manifest::parse(content).map_err(|err| invalid(format!("the manifest cannot be read: {err}")))?;
    let header = content_type.map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
    let media_type = match (header, manifest.media_type.clone()) {
        (Some(header), Some(own)) if header != own => {
            return Err(invalid(format!("the manifest says it is `{own}`, the header Content-Type `{header}`")));
        }
        (Some(media_type), _) | (None, Some(media_type)) => media_type,
        (None, None) => return Err(invalid("neither the manifest nor a header says what it is".to_owned())),
    };
    let blobs = match kind(&media_type) {
        Some(Kind::Image) => {
            let Some(config) = manifest.config else { return Err(invalid("the manifest has no `config`".to_owned())) };
            [config].into_iter().chain(manifest.layers).filter(|blob| !is_kept_elsewhere(blob)).collect()
        }
        // What an index lists may be pushed later, or never: copies of some platforms are common.
        Some(Kind::Index) if manifest.config.is_some() || !manifest.layers.is_empty() => {
            return Err(invalid("an index has no `config` and no `layers`".to_owned()));
        }
        Some(Kind::Index) => Vec::new(),
        None => {
            let known = [OCI_MANIFEST, INDEX_MEDIA_TYPE, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
            return Err(invalid(format!("`{media_type}` is not the type of a manifest; there is {known}")));
        }
    };
    Ok(Checked { media_type, blobs, subject: manifest.subject.map(|subject| subject.digest) })
}

fn is_kept_elsewhere(blob: &Descriptor) -> bool {
    let has_urls = blob.rest.get("urls").and_then(|urls| urls.as_array()).is_some_and(|urls| !urls.is_empty());
    has_urls || KEPT_ELSEWHERE.iter().any(|prefix| blob.media_type.starts_with(prefix))
}

impl<'a> Manifest<'a> {
    pub(super) fn parse(content: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(content)
    }

    pub(super) fn subject(&self) -> Option<&Digest> {
        self.subject.as_ref().map(|subject| &subject.digest)
    }

    /// What an index lists.
    pub(super) fn parts(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// How the referrers API describes it: an image's type is its config's unless it says otherwise.
    pub(super) fn as_referrer(&self, media_type: &str, digest: Digest, size: u64) -> Descriptor {
        let own = self.artifact_type.clone().filter(|own| !own.is_empty());
        let configs = self.config.as_ref().map(|config| config.media_type.clone());
        let annotations: Option<BTreeMap<String, String>> =
            self.annotations.and_then(|text| serde_json::from_str(text.get()).ok());
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: own.or(configs),
            annotations: annotations.unwrap_or_default(),
            rest: serde_json::Map::new(),
        }
    }
}

/// Whether a media type is that of an index.
pub(super) fn is_index(media_type: &str) -> bool {
    kind(media_type) == Some(Kind::Index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(content: &str, content_type: Option<&str>) -> Result<Checked, String> {
        check(content.as_bytes(), content_type).map_err(|err| err.to_string())
    }

    #[test]
    fn the_type_is_the_headers_or_its_own() {
        let own = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX_MEDIA_TYPE}","manifests":[]}}"#);
        assert_eq!(checked(&own, None).unwrap().media_type, INDEX_MEDIA_TYPE);
        assert!(checked(&own, Some(INDEX_MEDIA_TYPE)).is_ok());
        assert!(checked(&own, Some(OCI_MANIFEST)).unwrap_err().contains("the header Content-Type"));
        assert!(checked("{}", None).unwrap_err().contains("neither"));
        assert!(checked("{}", Some("text/html; charset=utf-8")).unwrap_err().contains("`text/html`"));
        assert!(checked("{}", Some(OCI_MANIFEST)).unwrap_err().contains("`config`"));
        assert!(checked("garbage", Some(OCI_MANIFEST)).unwrap_err().contains("cannot be read"));
        assert!(checked(&"[".repeat(100_000), Some(OCI_MANIFEST)).is_err());
    }

    #[test]
    fn layers_may_be_kept_elsewhere() {
        let digest = Digest::sha256(b"");
        let layer = |extra: &str| format!(r#"{{"mediaType":"application/wasm","digest":"{digest}","size":0{extra}}}"#);
        let manifest = |layer: &str| format!(r#"{{"config":{layer},"layers":[{layer}]}}"#);
        assert_eq!(checked(&manifest(&layer("")), Some(OCI_MANIFEST)).unwrap().blobs.len(), 2);
        let elsewhere = layer(r#","urls":["http://example.com"]"#);
        assert_eq!(checked(&manifest(&elsewhere), Some(OCI_MANIFEST)).unwrap().blobs.len(), 0);
        let bad = r#"{"config":{"mediaType":"a","digest":"sha256:../../etc/passwd","size":0}}"#;
        assert!(checked(bad, Some(OCI_MANIFEST)).unwrap_err().contains("not a digest"));
    }
}
