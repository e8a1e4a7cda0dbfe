//! WebAssembly artifacts in OCI registries: pulling, pushing, copying, signing, and the cache that all tools share.
//!
//! Computes and returns: no command line, no printing, no WebAssembly runtime. Reads no environment variable that its
//! caller did not pass in. Everything a registry sends is hostile until its digest says otherwise.
//!
//! # Pulling a component
//!
//! [`Settings`] say which registries are special, where credentials are, whose signatures count, and where artifacts are
//! kept. Whoever has them keeps one [`Client`].
//!
//! ```no_run
//! use washlib_oci::{CacheSettings, Client, PullOptions, PullPolicy, Reference, Settings, Unwatched};
//!
//! # async fn pull() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings { cache: Some(CacheSettings::new("/var/cache/oci")), ..Settings::default() };
//! let client = Client::new(settings)?;
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

mod blocking;
mod cache;
mod client;
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
mod secret;
mod settings;
mod sign;
mod tags;
mod upload;

pub use blocking::{Cancellation, pull_component_blocking, run_blocking};
pub use cache::{BlobReader, Cache, CacheEntry, CacheError, CachedBlob, Prune, Removed, Unfinished};
pub use client::Client;
pub use copy::{Copied, CopyError, Endpoint, Referrers};
pub use digest::{Algorithm, Digest, DigestError};
pub use error::RegistryError;
pub use http::is_loopback;
pub use image_layout::{ImageLayout, LayoutError};
pub use manifest::{Descriptor, Document};
pub use manifests::{MAX_MANIFEST, RawManifest};
pub use progress::{Progress, Unwatched};
pub use pull::{
    ContentKind, Expect, LayerChoice, LayerError, Layout, Network, PullError, PullOptions, PullPolicy, PulledComponent,
    Source, UnpackError,
};
pub use push::{Artifact, ArtifactError, ArtifactOptions, ContentError, Contents, Kind, Profile, Pushed};
pub use reference::{Reference, ReferenceError, Repository, canonical_registry, canonical_scope};
pub use secret::Secret;
pub use settings::{
    CacheSettings, ClientCertificate, Limits, Protocol, Proxies, ProxyServer, RegistrySettings, Settings,
    VerificationRule,
};
pub use sign::{
    Attachment, KeyError, PrivateKey, PublicKey, SignError, SignatureFormat, Signed, Verified, VerifyError,
};
pub use tags::{is_digest_tag, sort_tags};
pub use upload::BlobPushed;
