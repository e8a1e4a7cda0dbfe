//! An artifact made of a binary: configuration, layer and manifest, the same bytes for the same input.
//!
//! Follows the CNCF's layout of WebAssembly artifacts. Nothing is sent here, and no clock is read.

use std::time::SystemTime;

use serde::Serialize;
use thiserror::Error;

use super::contents::{ContentError, Contents, Kind};
use crate::digest::Digest;
use crate::manifest::{Annotations, Descriptor, Manifest, Platform, annotation, media_type};
use crate::manifests::RawManifest;

/// How an artifact is packed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// The standard layout.
    #[default]
    Standard,
    /// The layout of modules for Envoy, which registries take that know only some media types.
    Envoy,
}

/// What an artifact says besides what its binary says itself.
#[derive(Clone, Debug, Default)]
pub struct ArtifactOptions {
    /// Annotations of the manifest. They replace those that the binary gives; an empty one removes it.
    pub annotations: Annotations,
    /// Who made it.
    pub author: Option<String>,
    /// When it was made; without it the same point in time for all, so that the same bytes give the same digest.
    pub created: Option<SystemTime>,
    /// The name of its file; without it the one that its kind has, and none where it is empty.
    pub title: Option<String>,
    /// How it is packed.
    pub profile: Profile,
}

/// An artifact, ready to be sent or written.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What the binary tells about itself.
    pub contents: Contents,
    /// The configuration.
    pub config: Vec<u8>,
    /// The configuration's descriptor.
    pub config_descriptor: Descriptor,
    /// The binary.
    pub layer: bytes::Bytes,
    /// The binary's descriptor.
    pub layer_descriptor: Descriptor,
    /// The manifest.
    pub manifest: RawManifest,
    /// The manifest's annotations.
    pub annotations: Annotations,
}

/// Why there is no artifact.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The binary is none.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A point in time that a manifest cannot have.
    #[error("the time of creation is before 1970 or after the year 9999")]
    Created,
    /// It cannot be written as JSON.
    #[error("the manifest cannot be written")]
    Json(#[from] serde_json::Error),
}

/// The configuration, with its keys in the order in which others write them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Component<'a>>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl Artifact {
    /// Packs a binary.
    ///
    /// # Errors
    ///
    /// When it is no WebAssembly.
    pub fn new(binary: impl Into<bytes::Bytes>, options: &ArtifactOptions) -> Result<Self, ArtifactError> {
        let layer = binary.into();
        let contents = Contents::of(&layer)?;
        let (config_type, layer_type) = match options.profile {
            Profile::Standard => (media_type::WASM_CONFIG, media_type::WASM),
            Profile::Envoy => {
                ("application/vnd.module.wasm.config.v1+json", "application/vnd.module.wasm.content.layer.v1+wasm")
            }
        };
        let mut layer_descriptor = Descriptor::of(layer_type, &layer);
        let title = options.title.as_deref().unwrap_or(file_name(contents.kind));
        if !title.is_empty() {
            layer_descriptor.annotations.insert(annotation::TITLE.to_owned(), title.to_owned());
        }
        let created = created(options.created.unwrap_or(SystemTime::UNIX_EPOCH))?;
        let config = config(&contents, &layer_descriptor.digest, created, options)?;
        let config_descriptor = Descriptor::of(config_type, &config);
        let annotations = annotations(&contents, options)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: None,
            config: config_descriptor.clone(),
            layers: vec![layer_descriptor.clone()],
            subject: None,
            annotations: annotations.clone(),
        };
        let bytes = serde_json::to_vec(&manifest)?;
        let digest = Digest::of(&bytes);
        let manifest = RawManifest { bytes, media_type: media_type::MANIFEST.to_owned(), digest };
        Ok(Self { contents, config, config_descriptor, layer, layer_descriptor, manifest, annotations })
    }

    /// What it runs on, for an index.
    pub fn platform(&self) -> Platform {
        Platform { architecture: "wasm".to_owned(), os: os(self.contents.kind).to_owned() }
    }
}

fn config(
    contents: &Contents,
    layer: &Digest,
    created: String,
    options: &ArtifactOptions,
) -> Result<Vec<u8>, serde_json::Error> {
    let component = (contents.kind != Kind::CoreModule).then(|| Component {
        exports: &contents.exports,
        imports: &contents.imports,
        target: contents.target(),
    });
    serde_json::to_vec(&Config {
        created,
        author: options.author.as_deref().or(contents.authors.as_deref()),
        architecture: "wasm",
        os: os(contents.kind),
        layer_digests: vec![layer],
        component,
    })
}

fn file_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Component => "component.wasm",
        Kind::CoreModule => "module.wasm",
        Kind::WitPackage => "package.wasm",
    }
}

/// The standard has one word for all components, whatever version of WASI they use.
fn os(kind: Kind) -> &'static str {
    match kind {
        Kind::CoreModule => "wasip1",
        Kind::Component | Kind::WitPackage => "wasip2",
    }
}

fn annotations(contents: &Contents, options: &ArtifactOptions) -> Result<Annotations, ArtifactError> {
    let authors = options.author.as_ref().or(contents.authors.as_ref());
    let own = [
        (annotation::TITLE, contents.name.as_ref()),
        (annotation::DESCRIPTION, contents.description.as_ref()),
        (annotation::AUTHORS, authors),
        (annotation::SOURCE, contents.source.as_ref()),
        (annotation::URL, contents.homepage.as_ref()),
        (annotation::VERSION, contents.version.as_ref()),
        (annotation::REVISION, contents.revision.as_ref()),
        (annotation::LICENSES, contents.licenses.as_ref()),
    ];
    let mut annotations: Annotations =
        own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))).collect();
    if let Some(time) = options.created {
        annotations.insert(annotation::CREATED.to_owned(), created(time)?);
    }
    annotations.extend(options.annotations.clone());
    annotations.retain(|_, value| !value.is_empty());
    Ok(annotations)
}

fn created(time: SystemTime) -> Result<String, ArtifactError> {
    // The year 10000, which RFC 3339 does not know.
    const END: u64 = 253_402_300_800;
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since.as_secs() < END => Ok(humantime::format_rfc3339_seconds(time).to_string()),
        _ => Err(ArtifactError::Created),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn component() -> Vec<u8> {
        wat::parse_str(
            r#"(component (@custom "version" "1.0.0") (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#,
        )
        .unwrap()
    }

    #[test]
    fn the_same_input_gives_the_same_digest() {
        let options = ArtifactOptions::default();
        let first = Artifact::new(component(), &options).unwrap();
        assert_eq!(first.manifest, Artifact::new(component(), &options).unwrap().manifest);
        let dated = ArtifactOptions { created: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)), ..options };
        assert_ne!(first.manifest.digest, Artifact::new(component(), &dated).unwrap().manifest.digest);
    }

    #[test]
    fn the_configuration_is_the_standards() {
        let artifact = Artifact::new(component(), &ArtifactOptions::default()).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&artifact.config).unwrap();
        let digest = artifact.layer_descriptor.digest.to_string();
        let expected = serde_json::json!({
            "created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": [digest],
            "component": { "exports": ["wasi:cli/run@0.2.0"], "imports": [], "target": "wasi:cli/command@0.2.0" },
        });
        assert_eq!(config, expected);
        assert_eq!(artifact.annotations[annotation::VERSION], "1.0.0");
    }

    #[test]
    fn options_win_and_can_remove() {
        let options = ArtifactOptions {
            annotations: Annotations::from([(annotation::VERSION.into(), String::new()), ("a".into(), "b".into())]),
            author: Some("Ada".into()),
            ..ArtifactOptions::default()
        };
        let artifact = Artifact::new(component(), &options).unwrap();
        let expected = Annotations::from([("a".into(), "b".into()), (annotation::AUTHORS.into(), "Ada".into())]);
        assert_eq!(artifact.annotations, expected);
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX >> 20);
        let options = ArtifactOptions { created: Some(far), ..options };
        assert!(matches!(Artifact::new(component(), &options), Err(ArtifactError::Created)));
    }

    #[test]
    fn a_core_module_is_of_another_system() {
        let module = wat::parse_str("(module)").unwrap();
        let artifact = Artifact::new(module, &ArtifactOptions::default()).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&artifact.config).unwrap();
        assert_eq!((config["os"].as_str(), config.get("component")), (Some("wasip1"), None));
    }
}
