//! Whom guests' encrypted connections trust: the authorities that browsers trust, and those the embedder adds.
//!
//! It reads no file, and not the system's own list of authorities.

use std::error::Error;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use thiserror::Error;

/// Names of protocols for their negotiation, as RFC 7301 and RFC 9113 give them; the first is preferred.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

pub(super) const HTTP_2: &[u8] = b"h2";

/// Why certificates cannot be added to those that guests' requests trust.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootCertificateError {
    /// The text is not in the PEM format.
    #[error("the root certificates are not in the PEM format")]
    Pem(#[source] Box<dyn Error + Send + Sync>),
    /// The text has no certificate in it.
    #[error("there is no certificate among the root certificates")]
    NoCertificate,
    /// A certificate cannot be an authority's.
    #[error("root certificate number {number} cannot be used")]
    Certificate {
        /// Which one it is, counted from 1.
        number: usize,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Reads an embedder's own authorities.
pub(crate) fn parse(pem: &[u8]) -> Result<Vec<TrustAnchor<'static>>, RootCertificateError> {
    let mut store = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let certificate = certificate.map_err(|err| RootCertificateError::Pem(err.into()))?;
        store
            .add(certificate)
            .map_err(|err| RootCertificateError::Certificate { number: index + 1, source: err.into() })?;
    }
    if store.is_empty() { Err(RootCertificateError::NoCertificate) } else { Ok(store.roots) }
}

/// What encrypted connections of guests are set up with.
pub(crate) fn client_config(extra: Vec<TrustAnchor<'static>>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().chain(extra).collect::<RootCertStore>();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}
