//! What the URLs of servers that keep data have in common.
//!
//! What is wrong with one is said without any part of it, since each could be a secret.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

/// A user or a password.
pub(super) fn decoded(text: &str) -> Result<String, &'static str> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| "the user or the password is not valid UTF-8")
}

/// The certificates to trust beside those that browsers trust: the only setting that a URL may have.
pub(super) fn certificates(url: &Url) -> Result<Option<PathBuf>, &'static str> {
    let mut certificates = None;
    for (name, value) in url.query_pairs() {
        match &*name {
            "tls_ca_path" => certificates = Some(PathBuf::from(&*value)),
            _ => return Err("it has a setting other than `tls_ca_path`"),
        }
    }
    Ok(certificates)
}
