//! Whom guests' encrypted connections trust: the authorities that browsers trust, those of this machine, and those the
//! embedder adds.
//!
//! It reads no file but the machine's own list, and that only where it is asked for.

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

/// Which authorities guests' encrypted connections trust, besides those that the embedder adds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TrustRoots {
    /// Those that browsers trust.
    #[default]
    Browsers,
    /// Those, and the ones that this machine trusts.
    BrowsersAndMachine,
    /// Those that this machine trusts, as `SSL_CERT_FILE`, `SSL_CERT_DIR` or the system name them.
    Machine,
    /// None.
    ExtraOnly,
}

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
pub(crate) fn client_config(
    roots: TrustRoots,
    extra: Vec<TrustAnchor<'static>>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities(roots, extra))
        .with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn authorities(roots: TrustRoots, extra: Vec<TrustAnchor<'static>>) -> RootCertStore {
    let mut store = match roots {
        TrustRoots::Machine | TrustRoots::BrowsersAndMachine => of_this_machine(),
        TrustRoots::Browsers | TrustRoots::ExtraOnly => RootCertStore::empty(),
    };
    if matches!(roots, TrustRoots::Browsers | TrustRoots::BrowsersAndMachine) {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store.extend(extra);
    store
}

/// What this machine trusts. A certificate that cannot be used is no reason to trust none of the others.
fn of_this_machine() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    if let Some(err) = found.errors.first() {
        let count = found.errors.len();
        tracing::warn!("{count} of the places for this machine's certificates cannot be read: {err}");
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        tracing::warn!("this machine has no certificates of authorities that guests' requests could trust");
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_trusted_besides_the_extra_ones_only_where_that_is_asked_for() {
        let extra = || vec![webpki_roots::TLS_SERVER_ROOTS[0].clone()];
        assert_eq!(authorities(TrustRoots::ExtraOnly, extra()).len(), 1);
        let browsers = webpki_roots::TLS_SERVER_ROOTS.len();
        assert_eq!(authorities(TrustRoots::Browsers, extra()).len(), browsers + 1);
        // How many this machine has is its own business.
        let machine = authorities(TrustRoots::Machine, Vec::new()).len();
        assert_eq!(authorities(TrustRoots::BrowsersAndMachine, extra()).len(), machine + browsers + 1);
    }
}
