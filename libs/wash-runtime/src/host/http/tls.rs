//! Encrypted connections: certificates from files, kept current, and clients that have to show theirs.
//!
//! It obtains no certificates and asks nobody whether one has been revoked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::stream::Protocol;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Names of protocols for their negotiation: RFC 7301.
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why connections cannot be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not in the PEM format.
    #[error("{} is not in the PEM format", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{} contains no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no private key in it.
    #[error("{} contains no private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are no pair, or one of them cannot be used.
    #[error("cannot use the certificate {} with the key {}", certificate.display(), key.display())]
    Certificate {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of its key.
        key: PathBuf,
        /// What does not fit.
        source: rustls::Error,
    },
    /// The certificates that clients are held to cannot be used.
    #[error("cannot hold clients to the certificates in {}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where a server's certificate is, and whether clients need one too.
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsConfig {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    handshake_timeout: Duration,
    reload_interval: Duration,
}

impl TlsConfig {
    /// Files in the PEM format: the server's certificate followed by those between it and its authority, and its key.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            reload_interval: RELOAD_INTERVAL,
        }
    }

    /// Serves only clients that show a valid certificate of one of the authorities in this file, in the PEM format.
    pub fn with_client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }

    /// How long a handshake may take: by default 10 seconds.
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How often to look whether the files have changed: by default every second. New connections get what is new;
    /// files that cannot be used change nothing but the log.
    pub fn with_reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval;
        self
    }

    fn read(&self) -> Result<Files, TlsError> {
        let read = |path: &Path| {
            // The error names the path itself.
            std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_path_buf(), source })
        };
        Ok(Files {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn parse(&self, files: &Files) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey { path: self.key.clone() },
            source => TlsError::Pem { path: self.key.clone(), source },
        })?;
        let unusable =
            |source| TlsError::Certificate { certificate: self.certificate.clone(), key: self.key.clone(), source };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let mut config = match (&self.client_ca, &files.client_ca) {
            (Some(path), Some(authority)) => {
                let verifier = client_verifier(path, authority, provider)?;
                let mut config =
                    builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(unusable)?;
                // A session that is taken up again would not have its certificate looked at again.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                config
            }
            _ => builder.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?,
        };
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = certificates.map_err(|source| TlsError::Pem { path: path.to_path_buf(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_path_buf() });
    }
    Ok(certificates)
}

fn client_verifier(
    path: &Path,
    authority: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unusable =
        |source: Box<dyn std::error::Error + Send + Sync>| TlsError::ClientCa { path: path.to_path_buf(), source };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, authority)? {
        roots.add(certificate).map_err(|source| unusable(source.into()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|source: VerifierBuilderError| unusable(source.into()))
}

/// What the files contain.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// A server's side of encrypted connections.
pub(super) struct Tls {
    config: TlsConfig,
    /// The digest of the files as they were when they were last looked at, so that each change is told of once.
    seen: Mutex<blake3::Hash>,
    current: ArcSwap<ServerConfig>,
}

impl Files {
    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for file in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            let file = file.map_or([].as_slice(), Vec::as_slice);
            hasher.update(&(file.len() as u64).to_le_bytes()).update(file);
        }
        hasher.finalize()
    }
}

impl Tls {
    pub(super) fn load(config: TlsConfig) -> Result<Self, TlsError> {
        let files = config.read()?;
        let current = ArcSwap::from_pointee(config.parse(&files)?);
        Ok(Self { config, seen: Mutex::new(files.digest()), current })
    }

    /// Completes the handshake. A client that needs a certificate and has no valid one is not let in.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Protocol)> {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        let stream = tokio::time::timeout(self.config.handshake_timeout, acceptor.accept(stream)).await??;
        let (_, session) = stream.get_ref();
        let protocol = if session.alpn_protocol() == Some(H2) { Protocol::Http2 } else { Protocol::Http1 };
        Ok((stream, protocol))
    }

    /// Looks at the files, and takes them if they have changed and can be used.
    fn refresh(&self) {
        let files = self.config.read();
        let digest = match &files {
            Ok(files) => files.digest(),
            Err(err) => blake3::hash(err.to_string().as_bytes()),
        };
        // No code panics while it holds this lock.
        let seen = std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), digest);
        if seen == digest {
            return;
        }
        match files.and_then(|files| self.config.parse(&files)) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!("new connections use the new certificate");
            }
            Err(err) => tracing::warn!("keeping the certificate in use: {err}: {}", source(&err)),
        }
    }
}

fn source(err: &dyn std::error::Error) -> String {
    err.source().map(ToString::to_string).unwrap_or_default()
}

/// Looks at the files again and again. Never ends.
pub(super) async fn keep_current(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(tls.config.reload_interval).await;
        let tls = Arc::clone(&tls);
        // Files may stand on slow or remote disks.
        if let Err(err) = tokio::task::spawn_blocking(move || tls.refresh()).await {
            tracing::error!("looking at the certificate failed: {err}");
        }
    }
}
