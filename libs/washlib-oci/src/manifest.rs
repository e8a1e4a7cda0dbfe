//! The documents of the OCI image specification 1.1, as far as they are looked into, and the media types in them.
//!
//! What a registry stores is bytes: a document is read from them and never written back in their place, because its
//! digest would change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Media types of documents and contents.
pub mod media_type {
    /// An OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's manifest, the same shape.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index, the same shape.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// The configuration of a WebAssembly artifact.
    pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
    /// A WebAssembly binary.
    pub const WASM: &str = "application/wasm";
    /// A configuration or layer that says nothing: `{}`.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// A configuration of a container image.
    pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
}

/// Annotations that the image specification names.
pub mod annotation {
    /// When the artifact was made, in RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
    /// Who made it.
    pub const AUTHORS: &str = "org.opencontainers.image.authors";
    /// Where to read more.
    pub const URL: &str = "org.opencontainers.image.url";
    /// Where its source is.
    pub const SOURCE: &str = "org.opencontainers.image.source";
    /// Its version.
    pub const VERSION: &str = "org.opencontainers.image.version";
    /// The revision of its source.
    pub const REVISION: &str = "org.opencontainers.image.revision";
    /// Its licences, as an SPDX expression.
    pub const LICENSES: &str = "org.opencontainers.image.licenses";
    /// Its name for people, or the file name of a layer.
    pub const TITLE: &str = "org.opencontainers.image.title";
    /// What it does.
    pub const DESCRIPTION: &str = "org.opencontainers.image.description";
    /// The name of a manifest in an image layout's index.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
}

/// Annotations in the order in which they are written: by name, so that the same ones give the same bytes.
pub type Annotations = BTreeMap<String, String>;

/// What a blob or manifest is, how long it is, and its digest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What kind of artifact a manifest is, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Notes about it.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// What it runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// The descriptor of bytes in memory.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: Annotations::new(),
            platform: None,
        }
    }

    /// The file name that the producer gave it. Not to be used as a path: it may be anything.
    pub fn title(&self) -> Option<&str> {
        self.annotations.get(annotation::TITLE).map(String::as_str)
    }
}

/// What an artifact runs on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Platform {
    /// The processor; `wasm` for WebAssembly.
    pub architecture: String,
    /// The operating system; `wasip1` or `wasip2` for WebAssembly.
    pub os: String,
}

/// An image manifest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, if the configuration's media type does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The content.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes about it.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
}

/// An image index: a list of manifests.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes about it.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
}

impl Index {
    /// An index of nothing yet.
    pub fn empty() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::INDEX.to_owned()),
            artifact_type: None,
            manifests: Vec::new(),
            subject: None,
            annotations: Annotations::new(),
        }
    }
}

/// Either document that a tag can name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Document {
    /// An artifact or image.
    Manifest(Manifest),
    /// A list of them.
    Index(Index),
}

impl Document {
    /// Reads a document of the given media type.
    ///
    /// # Errors
    ///
    /// When it is neither, or breaks its specification.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, DocumentError> {
        let malformed =
            |source: serde_json::Error| DocumentError::Malformed { media_type: media_type.to_owned(), source };
        match media_type {
            media_type::MANIFEST | media_type::DOCKER_MANIFEST => {
                Ok(Self::Manifest(serde_json::from_slice(bytes).map_err(malformed)?))
            }
            media_type::INDEX | media_type::DOCKER_INDEX => {
                Ok(Self::Index(serde_json::from_slice(bytes).map_err(malformed)?))
            }
            other => Err(DocumentError::Unknown { media_type: other.chars().take(200).collect() }),
        }
    }

    /// Every descriptor in it that names a blob or another document, the subject excepted.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => std::iter::once(&manifest.config).chain(&manifest.layers).collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }

    /// What kind of artifact it is: its artifact type, else the media type of its configuration.
    pub fn artifact_type(&self) -> Option<&str> {
        match self {
            Self::Manifest(manifest) => {
                Some(manifest.artifact_type.as_deref().unwrap_or(manifest.config.media_type.as_str()))
            }
            Self::Index(index) => index.artifact_type.as_deref(),
        }
    }

    /// Notes about it.
    pub fn annotations(&self) -> &Annotations {
        match self {
            Self::Manifest(manifest) => &manifest.annotations,
            Self::Index(index) => &index.annotations,
        }
    }
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is something else.
    #[error("a document of type `{}` is neither a manifest nor an index", media_type.escape_debug())]
    Unknown {
        /// What the registry says that it is.
        media_type: String,
    },
    /// It does not say what it should.
    #[error("the document is no valid {media_type}")]
    Malformed {
        /// What the registry says that it is.
        media_type: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Some producers write `null` for a list or a table without entries.
fn null_as_empty<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_leniently_and_only_as_what_they_are() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":0}},"layers":null,"annotations":null,"future":1}}"#
        );
        let Document::Manifest(manifest) = Document::parse(media_type::MANIFEST, text.as_bytes()).unwrap() else {
            panic!("a manifest")
        };
        assert!(manifest.layers.is_empty() && manifest.annotations.is_empty());
        assert!(matches!(Document::parse("text/html", b"<html>"), Err(DocumentError::Unknown { .. })));
        assert!(matches!(Document::parse(media_type::INDEX, b"{}"), Err(DocumentError::Malformed { .. })));
    }
}
