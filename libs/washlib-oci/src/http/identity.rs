//! What this machine identifies itself with, and what is wrong with it.
//!
//! Looked at before it is used: who uses it does not know its files, and takes it for the other side's.

use std::path::Path;

use reqwest::Identity;
use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use webpki::EndEntityCert;

use crate::error::RegistryError;
use crate::settings::ClientCertificate;

/// Our certificate with its key.
pub(super) fn identity(files: &ClientCertificate) -> Result<Identity, RegistryError> {
    let mut pem = fs_err::read(&files.certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|err| unusable(&files.certificate, &err))?;
    let Some(own) = chain.first() else {
        return Err(unusable(&files.certificate, &"it holds no certificate in PEM"));
    };
    match EndEntityCert::try_from(own) {
        Ok(_) => {}
        Err(webpki::Error::UnsupportedCertVersion) => {
            let reason = "as our own certificate it must be of version 3 of X.509, and is of another one";
            return Err(unusable(&files.certificate, &reason));
        }
        Err(err) => return Err(unusable(&files.certificate, &format!("our own certificate is damaged: {err}"))),
    }
    if files.key != files.certificate {
        pem.push(b'\n');
        pem.extend(fs_err::read(&files.key)?);
    }
    let identity = Identity::from_pem(&pem).map_err(|err| unusable(&files.key, &err))?;
    let keys = PrivateKeyDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    // The last one, as `Identity` takes it.
    let key = keys.map_err(|err| unusable(&files.key, &err))?.pop();
    let key = key.ok_or_else(|| unusable(&files.key, &"it holds no private key in PEM"))?;
    match CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()) {
        Ok(_) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(unusable(&files.key, &format!("its key is not that of {}", files.certificate.display())))
        }
        Err(err) => Err(unusable(&files.key, &err)),
    }
}

pub(super) fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), reason: reason.to_string() }
}
