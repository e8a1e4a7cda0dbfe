//! Encrypted connections: a certificate from files.
//!
//! It obtains no certificates and asks clients for none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// The files of a server's certificate and its key, in the PEM format.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why connections cannot be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read a file for TLS")]
    Read(#[source] io::Error),
    /// A file is not in the PEM format, or has not in it what it should.
    #[error("{} cannot be used for TLS", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
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
}

pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let unusable =
        |source| TlsError::Certificate { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let chain = certificates(&files.certificate)?;
    let key = fs_err::read(&files.key).map_err(TlsError::Read)?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|source| TlsError::Pem { path: files.key.clone(), source })?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
    // HTTP/1.1 alone: every client has it, and one that pushes blobs gains nothing from the other.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs_err::read(path).map_err(TlsError::Read)?;
    let wrong = |source| TlsError::Pem { path: path.to_path_buf(), source };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(wrong)?;
    if certificates.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(certificates) }
}
