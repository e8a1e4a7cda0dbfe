//! Plain downloads: archives, and what a registry says about itself.
//!
//! Knows nothing of OCI. A download ends at a size, stops when nothing comes for a while, and is tried again where that
//! may help.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use thiserror::Error;
use wasm_pkg_common::metadata::{REGISTRY_METADATA_PATH, RegistryMetadata};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// What a registry says about itself is a few lines.
const MAX_METADATA: usize = 64 * 1024;

/// Why a download failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum DownloadError {
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("there are more than {} MiB", limit / (1024 * 1024))]
    TooLarge { limit: usize },
    #[error("the answer is not understood")]
    Format(#[source] serde_json::Error),
}

impl DownloadError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => false,
        }
    }
}

/// A client with time limits, for what is reached with TLS and what is not; proxies are those of the environment.
pub(super) fn client(authorities: &[PathBuf]) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    // One provider for the whole program; whoever installed it first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut certificates = Vec::new();
    for path in authorities {
        certificates.extend(reqwest::Certificate::from_pem_bundle(&fs_err::read(path)?)?);
    }
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("wash/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(certificates);
    Ok(builder.build()?)
}

/// A client for loopback, without the system's authorities, which take milliseconds to read, and without proxies.
pub(super) fn plain_client() -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).no_proxy();
    Ok(builder.tls_certs_only([]).build()?)
}

/// Downloads at most `limit` bytes.
pub(super) async fn download(client: &Client, url: &str, limit: usize) -> Result<Vec<u8>, DownloadError> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let err = match once(client, url, limit).await {
            Ok(bytes) => return Ok(bytes),
            Err((err, asked)) => {
                pause = asked.unwrap_or(pause).min(LONGEST_PAUSE);
                err
            }
        };
        if attempt == MAX_ATTEMPTS || !err.may_pass() {
            return Err(err);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        attempt += 1;
    }
}

/// The error comes with the pause that the server asked for.
async fn once(client: &Client, url: &str, limit: usize) -> Result<Vec<u8>, (DownloadError, Option<Duration>)> {
    let sent = client.get(url).send().await;
    let mut response = sent.map_err(|err| (DownloadError::Connect(err.without_url()), None))?;
    if !response.status().is_success() {
        return Err((DownloadError::Status(response.status()), retry_after(&response)));
    }
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err((DownloadError::TooLarge { limit }, None));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(err) => return Err((DownloadError::Broken(err.without_url()), None)),
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a registry says about itself at its well-known address. One that says nothing is an OCI registry itself.
pub(super) async fn well_known(
    client: &Client,
    registry: &str,
    scheme: &str,
) -> Result<RegistryMetadata, DownloadError> {
    let url = format!("{scheme}://{registry}{REGISTRY_METADATA_PATH}");
    match download(client, &url, MAX_METADATA).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(DownloadError::Format),
        // Any refusal counts as silence, as it does for wasm-pkg: what matters is whether the packages can be had.
        Err(DownloadError::Status(_)) => Ok(RegistryMetadata::default()),
        Err(err) => Err(err),
    }
}
