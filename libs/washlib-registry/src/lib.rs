//! WebAssembly artifacts in OCI registries: pulling, pushing, copying, signing, and the cache that all tools share.
//!
//! Computes and returns: no command line, no printing, no WebAssembly runtime. Reads no environment variable that its
//! caller did not pass in. Everything a registry sends is hostile until its digest says otherwise.
//!
//! # Pulling a component
//!
//! A tool makes [`Settings`] of its configuration and environment once, puts its flags on top, and keeps one [`Client`].
//! Pulling verifies what the user's configuration demands to be signed.
//!
//! ```no_run
//! use std::path::Path;
//! use washlib_config::{Environment, Oci};
//! use washlib_registry::{Client, PullOptions, PullPolicy, Reference, Unwatched, configuration};
//!
//! # async fn pull(oci: &Oci) -> Result<(), Box<dyn std::error::Error>> {
//! let environment: Environment = std::env::vars_os().collect();
//! let place = configuration::Place { root: Path::new("."), environment: &environment };
//! let client = Client::new(configuration::settings(oci, place)?)?;
//! let reference: Reference = "ghcr.io/acme/hello:1.2.0".parse()?;
//! let options = PullOptions { policy: PullPolicy::IfNotPresent, ..PullOptions::default() };
//! let component = client.pull_component(&reference, &options, &Unwatched).await?;
//! let bytes = component.read()?;
//! # drop(bytes);
//! # Ok(())
//! # }
//! ```
//!
//! Futures can be dropped at any time. A tool without a runtime calls [`pull_component_blocking`] with a
//! [`Cancellation`] that its handler of signals sets. Progress is told through [`Progress`].
//!
//! # What else there is
//!
//! - [`Reference`] and [`Repository`] parse names, with errors that say what is wrong.
//! - [`Client::tags`], [`Client::manifest`], [`Client::blob`] read what is no component, such as WIT packages.
//! - [`Client::enforce`] is the verification by itself, for artifacts that came another way.
//! - [`Cache`] lists, prunes and cleans.
//! - With the feature `wit`, the module `wit` fetches and publishes WIT packages.

mod blocking;
mod cache;
mod client;
pub mod configuration;
mod copy;
pub mod credentials;
mod digest;
mod download;
mod error;
mod http;
mod image_layout;
pub mod manifest;
mod manifests;
mod progress;
mod pull;
mod push;
mod reference;
mod referrers;
mod settings;
mod sign;
mod tags;
mod upload;
#[cfg(feature = "wit")]
pub mod wit;

pub use blocking::{Cancellation, pull_component_blocking, run_blocking};
pub use cache::{BlobReader, Cache, CacheEntry, CacheError, CachedBlob, Prune, Removed};
pub use client::Client;
pub use copy::{Copied, CopyError, Endpoint, Referrers};
pub use digest::{Algorithm, Digest, DigestError};
pub use error::RegistryError;
pub use image_layout::{ImageLayout, LayoutError};
pub use manifest::{Descriptor, Document};
pub use manifests::{MAX_MANIFEST, RawManifest};
pub use progress::{Progress, Unwatched};
pub use pull::{
    ContentKind, Expect, LayerChoice, LayerError, Layout, Network, PullError, PullOptions, PullPolicy, PulledComponent,
    Source, UnpackError,
};
pub use push::{Artifact, ArtifactError, ArtifactOptions, ContentError, Contents, Kind, Profile, Pushed};
pub use reference::{Reference, ReferenceError, Repository};
pub use settings::{
    CacheSettings, ClientCertificate, Limits, Protocol, Proxies, RegistrySettings, Settings, VerificationRule,
};
pub use sign::{
    Attachment, KeyError, PrivateKey, PublicKey, SignError, SignatureFormat, Signed, Verified, VerifyError,
};
pub use tags::{is_digest_tag, sort_tags};
pub use upload::BlobPushed;
