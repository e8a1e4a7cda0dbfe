//! Components from OCI registries: the images that workloads name.
//!
//! What an image is used for is not decided here. The client, its settings and its cache are those of all tools of this
//! workspace; they are here as [`client`].

use std::io;

use bytes::Bytes;
use thiserror::Error;
pub use washlib_oci as client;
use washlib_oci::credentials::DocumentCredentials;
use washlib_oci::{
    CacheError, Cancellation, Client, ContentKind, Digest, PullError, PullOptions, PullPolicy, Reference, Settings,
    Source, Unwatched, run_blocking,
};

/// Pulls the images that workloads name. Clones share connections, tokens and the cache.
///
/// What the settings demand to be signed is verified before its content is fetched, and everything is checked against
/// its digest, in the cache too.
///
/// ```no_run
/// use wash_runtime::oci::Images;
/// use wash_runtime::oci::client::{CacheSettings, PullPolicy, Settings};
/// use wash_runtime::types::Component;
///
/// # async fn pull() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings { cache: Some(CacheSettings::new("/var/cache/images")), ..Settings::default() };
/// let images = Images::new(settings)?;
/// let image = images.pull(&"ghcr.io/acme/hello:1.2.0".parse()?, PullPolicy::IfNotPresent).await?;
/// let component = Component {
///     name: "hello".to_string(),
///     bytes: image.bytes,
///     digest: Some(image.digest.to_string()),
///     ..Component::default()
/// };
/// # drop(component);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Images {
    client: Client,
    settings: Settings,
}

/// A component that was pulled.
#[derive(Clone, Debug)]
pub struct Image {
    /// What was asked for.
    pub reference: Reference,
    /// The digest of the manifest or index that the reference means.
    pub digest: Digest,
    /// The component.
    pub bytes: Bytes,
    /// Whether a registry had to send it.
    pub source: Source,
}

/// Why there is no component.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no place for what is pulled.
    #[error("cannot keep what is pulled")]
    Cache(#[from] CacheError),
    /// It cannot be pulled, or must not be used.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// It is WebAssembly, but no component.
    #[error("{0} is a core module, not a component")]
    CoreModule(Box<Reference>),
    /// What was pulled cannot be read, or the system gives no thread to pull it.
    #[error("cannot read what was pulled of {reference}")]
    Read {
        /// What was asked for.
        reference: Box<Reference>,
        /// What the system said.
        source: io::Error,
    },
}

impl Images {
    /// Connects to nothing yet. Images larger than any component may be are refused, whatever the settings say.
    ///
    /// # Errors
    /// [`ImageError::Cache`] where no cache is set and a temporary one cannot be made.
    pub fn new(mut settings: Settings) -> Result<Self, ImageError> {
        settings.limits.blob_bytes = settings.limits.blob_bytes.min(washlib_component::MAX_BYTES);
        let client = Client::new(settings.clone())?;
        Ok(Self { client, settings })
    }

    /// The same with credentials from a file in Docker's format, as Kubernetes keeps them in a secret of the type
    /// `kubernetes.io/dockerconfigjson`. They come before all others, which are used for registries that it does not
    /// name; credential helpers that it names are not run.
    ///
    /// # Errors
    /// As [`Images::new`].
    pub fn with_docker_config(&self, config: DocumentCredentials) -> Result<Self, ImageError> {
        let mut settings = self.settings.clone();
        settings.credentials.document = Some(config);
        Self::new(settings)
    }

    /// Pulls a component, or takes it from the cache as the policy allows. Can be dropped at any time.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn pull(&self, reference: &Reference, policy: PullPolicy) -> Result<Image, ImageError> {
        let options = PullOptions { policy, ..PullOptions::default() };
        let pulled = self.client.pull_component(reference, &options, &Unwatched).await?;
        if pulled.kind != ContentKind::Component {
            return Err(ImageError::CoreModule(Box::new(reference.clone())));
        }
        let (digest, source) = (pulled.digest.clone(), pulled.source);
        let unreadable = |source| ImageError::Read { reference: Box::new(reference.clone()), source };
        // It is read and digested.
        let read = tokio::task::spawn_blocking(move || pulled.read()).await;
        let bytes = read.map_err(|err| unreadable(io::Error::other(err)))?.map_err(unreadable)?;
        Ok(Image { reference: reference.clone(), digest, bytes: bytes.into(), source })
    }

    /// The same on the calling thread, which blocks meanwhile.
    ///
    /// # Errors
    /// As [`Images::pull`].
    pub fn pull_blocking(&self, reference: &Reference, policy: PullPolicy) -> Result<Image, ImageError> {
        let unreadable = |source| ImageError::Read { reference: Box::new(reference.clone()), source };
        match run_blocking(self.pull(reference, policy), &Cancellation::default()).map_err(unreadable)? {
            Some(pulled) => pulled,
            // Nobody has cancelled it.
            None => Err(unreadable(io::ErrorKind::Interrupted.into())),
        }
    }
}
