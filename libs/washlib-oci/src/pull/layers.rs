//! Which layer of an artifact is its content, for the layouts that producers have used over the years.
//!
//! Judges by the manifest alone; what the bytes are is found out when they are there.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::manifest::{Descriptor, Manifest, media_type};

/// A way of packing WebAssembly that some producer used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Layout {
    /// The standard one: wash, wkg, cargo-component.
    Wasm,
    /// Components of wasmCloud 1.
    WasmcloudComponent,
    /// Provider archives of wasmCloud 1, which hold native programs.
    WasmcloudProvider,
    /// Solo.io's, for Envoy and Istio.
    EnvoyModule,
    /// A container image with a module in it, for Envoy and Istio.
    ImageWithModule,
    /// wasm-to-oci's and that of older oras clients.
    WasmToOci,
    /// runwasi's, before the standard.
    Runwasi,
    /// A Spin application.
    Spin,
    /// Something else that holds WebAssembly.
    Other,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wasm => "the standard layout",
            Self::WasmcloudComponent => "wasmCloud 1's layout of components",
            Self::WasmcloudProvider => "wasmCloud 1's layout of providers",
            Self::EnvoyModule => "the layout of modules for Envoy",
            Self::ImageWithModule => "a container image with a module in it",
            Self::WasmToOci => "wasm-to-oci's layout",
            Self::Runwasi => "runwasi's older layout",
            Self::Spin => "the layout of Spin applications",
            Self::Other => "a layout that is not known",
        })
    }
}

impl Layout {
    /// The layout's name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::WasmcloudComponent => "wasmcloud-component",
            Self::WasmcloudProvider => "wasmcloud-provider",
            Self::EnvoyModule => "envoy-module",
            Self::ImageWithModule => "image-with-module",
            Self::WasmToOci => "wasm-to-oci",
            Self::Runwasi => "runwasi",
            Self::Spin => "spin",
            Self::Other => "other",
        }
    }

    pub(super) fn of(manifest: &Manifest) -> Self {
        let config = manifest.config.media_type.as_str();
        let has_layer = |kind: &str| manifest.layers.iter().any(|layer| layer.media_type == kind);
        match config {
            media_type::WASM_CONFIG if !has_layer(SPIN_CONFIG) => Self::Wasm,
            "application/vnd.wasmcloud.actor.archive.config" => Self::WasmcloudComponent,
            "application/vnd.wasmcloud.provider.archive.config" => Self::WasmcloudProvider,
            "application/vnd.module.wasm.config.v1+json" => Self::EnvoyModule,
            "application/vnd.wasm.config.v1+json" => Self::WasmToOci,
            _ if has_layer(SPIN_CONFIG) || config == SPIN_CONFIG => Self::Spin,
            _ if has_layer("application/vnd.wasmcloud.provider.archive.layer.v1+par") => Self::WasmcloudProvider,
            _ if has_layer(RUNWASI_COMPONENT) || has_layer(RUNWASI_MODULE) => Self::Runwasi,
            _ if has_layer(MODULE_LAYER) => Self::EnvoyModule,
            _ if has_layer(WASM_TO_OCI_LAYER) => Self::WasmToOci,
            _ if has_layer(media_type::WASM) => Self::Other,
            media_type::IMAGE_CONFIG | "application/vnd.docker.container.image.v1+json" => Self::ImageWithModule,
            _ => Self::Other,
        }
    }
}

const SPIN_CONFIG: &str = "application/vnd.fermyon.spin.application.v1+config";
const MODULE_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const WASM_TO_OCI_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
const RUNWASI_COMPONENT: &str = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm";
const RUNWASI_MODULE: &str = "application/vnd.bytecodealliance.wasm.module.layer.v0+wasm";

/// Which layer is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LayerChoice {
    /// The only one that is WebAssembly.
    #[default]
    Only,
    /// The one at this place, from 0, or with this title or media type.
    Named(String),
}

/// Why no layer is the content.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum LayerError {
    /// There is none at all.
    #[error("the artifact has no layers")]
    None,
    /// None of them is WebAssembly.
    #[error("the artifact is no WebAssembly: {0}")]
    NoWasm(String),
    /// A native program.
    #[error("the artifact is a provider of wasmCloud 1: native programs, not a component")]
    Provider,
    /// Several are WebAssembly.
    #[error("the artifact has several layers of WebAssembly: {0}")]
    Several(String),
    /// None is the one that was named.
    #[error("the artifact has no layer `{wanted}`; it has {layers}")]
    NoSuch {
        /// The name.
        wanted: String,
        /// Those that there are.
        layers: String,
    },
}

/// Chooses the layer that is the content.
pub(super) fn choose(manifest: &Manifest, layout: Layout, choice: &LayerChoice) -> Result<Descriptor, LayerError> {
    let layers = &manifest.layers;
    if layers.is_empty() {
        return Err(LayerError::None);
    }
    if let LayerChoice::Named(wanted) = choice {
        let by_place = wanted.parse::<usize>().ok().and_then(|place| layers.get(place));
        let by_name = || layers.iter().find(|layer| layer.title() == Some(wanted) || layer.media_type == *wanted);
        let found = by_place.or_else(by_name);
        return found.cloned().ok_or_else(|| LayerError::NoSuch { wanted: wanted.clone(), layers: described(layers) });
    }
    if layout == Layout::WasmcloudProvider {
        return Err(LayerError::Provider);
    }
    let wasm: Vec<&Descriptor> = layers.iter().filter(|layer| is_wasm(&layer.media_type)).collect();
    match wasm.as_slice() {
        [only] => return Ok((*only).clone()),
        [] => {}
        _ => return Err(LayerError::Several(described(layers))),
    }
    // An archive may hold a module; so may a layer of a type that says nothing.
    let possible: Vec<&Descriptor> = layers.iter().filter(|layer| may_hold_wasm(&layer.media_type)).collect();
    match possible.as_slice() {
        [only] => Ok((*only).clone()),
        _ => Err(LayerError::NoWasm(types(layers))),
    }
}

fn is_wasm(kind: &str) -> bool {
    kind == media_type::WASM || kind.ends_with("+wasm")
}

fn may_hold_wasm(kind: &str) -> bool {
    kind.ends_with(".tar")
        || kind.ends_with("+gzip")
        || kind.ends_with(".tar.gzip")
        || kind == "application/octet-stream"
}

fn described(layers: &[Descriptor]) -> String {
    let one = |(place, layer): (usize, &Descriptor)| {
        let title = layer.title().map(|title| format!(" `{}`", crate::error::printable(title))).unwrap_or_default();
        format!("{place}{title} ({})", crate::error::printable(&layer.media_type))
    };
    layers.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// What the layers are said to be, as a clause.
fn types(layers: &[Descriptor]) -> String {
    /// More of them tell no more.
    const MOST: usize = 10;
    let all: BTreeSet<&str> = layers.iter().map(|layer| layer.media_type.as_str()).collect();
    let mut named: Vec<String> = all.iter().take(MOST).map(|kind| crate::error::printable(kind)).collect();
    if all.len() > MOST {
        named.push("…".to_owned());
    }
    let of_type = if all.len() == 1 { "of type" } else { "of types" };
    let named = named.join(", ");
    match layers.len() {
        1 => format!("its only layer is {of_type} {named}"),
        n => format!("its {n} layers are {of_type} {named}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(config: &str, layers: &[&str]) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            config: Descriptor::of(config, b"{}"),
            layers: layers.iter().map(|kind| Descriptor::of(kind, kind.as_bytes())).collect(),
            subject: None,
            annotations: Default::default(),
        }
    }

    fn chosen(config: &str, layers: &[&str]) -> (Layout, Result<String, LayerError>) {
        let manifest = manifest(config, layers);
        let layout = Layout::of(&manifest);
        (layout, choose(&manifest, layout, &LayerChoice::Only).map(|layer| layer.media_type))
    }

    #[test]
    fn every_known_layout_is_recognised() {
        let image = media_type::IMAGE_CONFIG;
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        let table = [
            (media_type::WASM_CONFIG, media_type::WASM, Layout::Wasm),
            ("application/vnd.wasmcloud.actor.archive.config", MODULE_LAYER, Layout::WasmcloudComponent),
            (
                "application/vnd.wasmcloud.actor.archive.config",
                "application/vnd.oci.image.layer.v1.tar",
                Layout::WasmcloudComponent,
            ),
            ("application/vnd.module.wasm.config.v1+json", MODULE_LAYER, Layout::EnvoyModule),
            ("application/vnd.wasm.config.v1+json", WASM_TO_OCI_LAYER, Layout::WasmToOci),
            (image, RUNWASI_COMPONENT, Layout::Runwasi),
            (image, media_type::WASM, Layout::Other),
            (image, gzip, Layout::ImageWithModule),
            ("application/vnd.docker.container.image.v1+json", docker, Layout::ImageWithModule),
            ("application/vnd.unknown.config.v1+json", WASM_TO_OCI_LAYER, Layout::WasmToOci),
        ];
        for (config, layer, layout) in table {
            assert_eq!(chosen(config, &[layer]), (layout, Ok(layer.to_owned())), "{config} {layer}");
        }
        let spin = chosen(image, &[WASM_TO_OCI_LAYER, SPIN_CONFIG, "application/vnd.wasm.content.layer.v1+data"]);
        assert_eq!(spin, (Layout::Spin, Ok(WASM_TO_OCI_LAYER.to_owned())));
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        let wasm = media_type::WASM;
        assert_eq!(chosen(media_type::WASM_CONFIG, &[]).1, Err(LayerError::None));
        assert!(matches!(chosen(media_type::WASM_CONFIG, &[wasm, wasm]).1, Err(LayerError::Several(_))));
        let refused = |layers: &[&str]| chosen("a/b", layers).1.unwrap_err().to_string();
        let no_wasm = "the artifact is no WebAssembly:";
        assert_eq!(refused(&["text/plain"]), format!("{no_wasm} its only layer is of type text/plain"));
        assert_eq!(refused(&["text/plain", "text/plain"]), format!("{no_wasm} its 2 layers are of type text/plain"));
        assert_eq!(refused(&["text/plain", "a/b"]), format!("{no_wasm} its 2 layers are of types a/b, text/plain"));
        let many: Vec<String> = (0..20).map(|n| format!("a/{n:02}")).collect();
        let many = refused(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(many.contains("its 20 layers are of types a/00, a/01") && many.ends_with("a/09, …"), "{many}");
        let provider = chosen(
            "application/vnd.wasmcloud.provider.archive.config",
            &["application/vnd.wasmcloud.provider.archive.layer.v1+par"],
        );
        assert_eq!(provider, (Layout::WasmcloudProvider, Err(LayerError::Provider)));
    }

    #[test]
    fn a_layer_can_be_named() {
        let mut manifest = manifest(media_type::WASM_CONFIG, &[media_type::WASM, media_type::WASM]);
        manifest.layers[1].annotations.insert(crate::manifest::annotation::TITLE.into(), "b.wasm".into());
        let choose = |name: &str| choose(&manifest, Layout::Wasm, &LayerChoice::Named(name.into()));
        assert_eq!(choose("1"), choose("b.wasm"));
        assert!(matches!(choose("2"), Err(LayerError::NoSuch { .. })));
    }
}
