//! Registries behind a network: which host has a registry's packages, and the client that speaks to it.
//!
//! Each registry is asked once what it says about itself; connections and tokens are shared by all that is asked of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};
use washlib_oci::credentials::{DocumentCredentials, ExplicitCredential};
use washlib_oci::{Client, Protocol, Reference, Secret, Settings, Unwatched, is_loopback};
use washlib_wit::{Content, Fetched, PackageId, SourceError};
use wasm_pkg_common::metadata::{OCI_PROTOCOL, RegistryMetadata};

use super::http::{self, DownloadError};
use super::oci::{self, OciRegistry};
use super::registries::{Access, AccessKind, Login, Registries};

/// The largest archive, in bytes as it is sent.
const MAX_ARCHIVE: usize = 128 * 1024 * 1024;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// An archive that is downloaded by whoever asks for it first.
type Archive = Arc<OnceCell<Arc<Vec<u8>>>>;

/// Everything that is reached over the network, made when it is first needed.
#[derive(Debug)]
pub(super) struct Remote {
    settings: Settings,
    web: OnceLock<reqwest::Client>,
    plain_web: OnceLock<reqwest::Client>,
    metadata: Mutex<BTreeMap<String, RegistryMetadata>>,
    clients: Mutex<HashMap<ClientKey, Client>>,
    archives: Mutex<BTreeMap<String, Archive>>,
}

/// A host, whether it is spoken to without TLS, and whom it is asked as.
type ClientKey = (String, bool, Option<Login>);

/// What the protocol of OCI is told by a registry.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciMetadata {
    registry: Option<String>,
    namespace_prefix: Option<String>,
}

impl Remote {
    pub(super) fn new(settings: Settings) -> Self {
        // The cache of packages lies over this one.
        let mut settings = Settings { cache: None, ..settings };
        settings.limits.blob_bytes = oci::MAX_PACKAGE;
        Self {
            settings,
            web: OnceLock::new(),
            plain_web: OnceLock::new(),
            metadata: Mutex::default(),
            clients: Mutex::default(),
            archives: Mutex::default(),
        }
    }

    /// The registry that `access` leads to.
    pub(super) async fn registry(&self, access: &Access, registries: &Registries) -> Result<OciRegistry, SourceError> {
        let AccessKind::Remote { metadata, is_plain, prefix, login } = &access.kind else {
            return Err(configuration(format!("`{}` is no registry behind a network", access.name).into()));
        };
        let name_host = access.name.split('/').next().unwrap_or_default();
        let metadata = match metadata {
            Some(metadata) => metadata.clone(),
            None => self.well_known(&access.name, *is_plain).await?,
        };
        if let Some(protocol) = metadata.preferred_protocol().filter(|protocol| *protocol != OCI_PROTOCOL) {
            return Err(configuration(format!("`{}` speaks `{protocol}`, which is not known", access.name).into()));
        }
        let oci: OciMetadata = match metadata.protocol_config(OCI_PROTOCOL) {
            Ok(oci) => oci.unwrap_or_default(),
            Err(err) => return Err(configuration(err.into())),
        };
        let host = oci.registry.unwrap_or_else(|| name_host.to_owned());
        let prefix = prefix.clone().or(oci.namespace_prefix).unwrap_or_default();
        let login = registries.bearer_token(&host).or_else(|| login.clone());
        let client = self.client(&host, *is_plain && host == name_host, login.as_ref()).await?;
        let login_origin = login.map(|login| login.origin().to_owned());
        Ok(OciRegistry { client, name: access.name.clone(), place: format!("{host}/{prefix}"), login_origin })
    }

    async fn well_known(&self, registry: &str, is_plain: bool) -> Result<RegistryMetadata, SourceError> {
        let mut known = self.metadata.lock().await;
        if let Some(metadata) = known.get(registry) {
            return Ok(metadata.clone());
        }
        let is_plain = is_plain || is_loopback(registry);
        let web = if is_plain { self.plain_web()? } else { self.web()? };
        let scheme = if is_plain { "http" } else { "https" };
        let metadata = http::well_known(web, registry, scheme).await.map_err(|err| match err {
            DownloadError::Connect(_) | DownloadError::Broken(_) => {
                SourceError::Unreachable { registry: registry.to_owned(), source: err.into() }
            }
            err => SourceError::Registry {
                registry: registry.to_owned(),
                what: "what it says about itself".to_owned(),
                source: err.into(),
            },
        })?;
        known.insert(registry.to_owned(), metadata.clone());
        Ok(metadata)
    }

    /// The client for a host, with its credentials.
    async fn client(&self, host: &str, is_plain: bool, login: Option<&Login>) -> Result<Client, SourceError> {
        let mut clients = self.clients.lock().await;
        let key = (host.to_owned(), is_plain, login.cloned());
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut settings = self.settings.clone();
        if is_plain {
            settings.registries.entry(host.to_owned()).or_default().protocol = Protocol::PlainHttp;
        }
        match login {
            Some(Login::Password { username, password, origin }) => {
                settings.credentials.explicit = Some(ExplicitCredential {
                    registry: Some(host.to_owned()),
                    user: username.clone(),
                    password: Secret::new(password.clone()),
                    origin: origin.clone(),
                });
            }
            Some(Login::Token { token, origin }) => {
                let file = serde_json::json!({ "auths": { host: { "registrytoken": token } } });
                let (text, origin) = (Secret::new(file.to_string()), origin.clone());
                settings.credentials.document = Some(DocumentCredentials { text, origin });
            }
            None => {}
        }
        let client = Client::new(settings).map_err(|err| configuration(err.into()))?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// The package that an artifact of an OCI registry holds.
    pub(super) async fn artifact(
        &self,
        text: &str,
        revision: Option<&str>,
        package: &PackageId,
    ) -> Result<Fetched, SourceError> {
        let located = |source: BoxedError| SourceError::Location {
            package: package.to_string(),
            location: format!("oci://{text}"),
            source,
        };
        let reference: Reference = text.parse().map_err(|err: washlib_oci::ReferenceError| located(err.into()))?;
        let reference = match revision.and_then(|revision| revision.parse().ok()) {
            Some(digest) => reference.pinned(digest),
            None => reference,
        };
        let registry = reference.repository().registry().to_owned();
        let client = self.client(&registry, false, None).await?;
        let failed = |err| oci::source_error(err, &registry, text, None);
        let raw = client.manifest(&reference, &Unwatched).await.map_err(failed)?;
        oci::enforce(&client, reference.repository(), &raw).await.map_err(located)?;
        let layer = raw.document().and_then(|document| oci::layer(document, text)).map_err(failed)?;
        let blob = client.blob(reference.repository(), &layer, &Unwatched).await.map_err(failed)?;
        let bytes = blob.read().map_err(|err| located(err.into()))?;
        Ok(Fetched { registry: None, revision: Some(raw.digest.to_string()), content: Content::Binary(bytes) })
    }

    /// An archive, downloaded once however many packages are in it.
    pub(super) async fn archive(&self, url: &str) -> Result<Arc<Vec<u8>>, BoxedError> {
        let archive = Arc::clone(self.archives.lock().await.entry(url.to_owned()).or_default());
        let download = async {
            let host = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            let web = if host.is_some_and(is_loopback) { self.plain_web()? } else { self.web()? };
            Ok::<_, BoxedError>(Arc::new(http::download(web, url, MAX_ARCHIVE).await?))
        };
        Ok(Arc::clone(archive.get_or_try_init(|| download).await?))
    }

    fn web(&self) -> Result<&reqwest::Client, SourceError> {
        if let Some(web) = self.web.get() {
            return Ok(web);
        }
        let web = http::client(&self.settings.certificate_authorities).map_err(configuration)?;
        Ok(self.web.get_or_init(|| web))
    }

    fn plain_web(&self) -> Result<&reqwest::Client, SourceError> {
        if let Some(web) = self.plain_web.get() {
            return Ok(web);
        }
        let web = http::plain_client().map_err(configuration)?;
        Ok(self.plain_web.get_or_init(|| web))
    }
}

fn configuration(err: BoxedError) -> SourceError {
    SourceError::Configuration(err)
}
