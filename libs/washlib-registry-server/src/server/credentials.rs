//! Who is let in: HTTP's Basic scheme, RFC 7617.
//!
//! It keeps no passwords, only what they can be recognised by.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};

/// The users of a registry. All may do everything.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Digests of `user:password`: comparing them takes no time that depends on a password.
    users: Vec<[u8; 32]>,
}

impl Credentials {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a user in. The user's name must not contain a colon: the header could not hold it.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &str) -> Self {
        self.users.push(Sha256::digest(format!("{user}:{password}")).into());
        self
    }

    /// Whether nobody would be let in.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(pair) = basic(headers) else { return false };
        let digest: [u8; 32] = Sha256::digest(pair).into();
        self.users.contains(&digest)
    }
}

/// What a client claims with the Basic scheme: `user:password`.
pub(crate) fn basic(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(encoded.trim()).ok()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("users", &self.users.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_users_are_admitted() {
        let credentials = Credentials::new().with_user("user", "pass:word");
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(credentials.admit(&headers(&basic("user:pass:word"))));
        assert!(credentials.admit(&headers(&basic("user:pass:word").replace("Basic", "bAsIc"))));
        for wrong in ["user:", "user:pass", "", "user", "User:pass:word"] {
            assert!(!credentials.admit(&headers(&basic(wrong))), "{wrong}");
        }
        for wrong in ["Basic", "Basic !", "Bearer x", ""] {
            assert!(!credentials.admit(&headers(wrong)), "{wrong}");
        }
        assert!(!credentials.admit(&HeaderMap::new()));
        assert!(!Credentials::new().admit(&headers(&basic(""))));
        assert!(!format!("{credentials:?}").contains("pass"));
    }
}
