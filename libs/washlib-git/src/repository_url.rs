//! The URL of a remote Git repository, whose credentials never reach a message.
//!
//! Only holds and shows the URL; which schemes are accepted is the caller's to decide.

use std::fmt;

use thiserror::Error;

use crate::{Cause, without_control_characters};

/// Text that is no URL to fetch from.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not follow the grammar.
    #[error("this is not a valid URL")]
    Malformed(#[source] Cause),
    /// Its host or path could be mistaken for an option by whatever program it reaches.
    #[error("the host and the path of `{url}` cannot begin with `-`")]
    Unsafe {
        /// The URL, without credentials.
        url: String,
    },
}

/// A URL that is shown without its user name and password.
#[derive(Clone, Eq, PartialEq)]
pub struct RepositoryUrl {
    url: gix::Url,
    shown: String,
}

impl RepositoryUrl {
    /// Understands the URL of a remote repository. `shown` is how a message may quote it, without credentials.
    ///
    /// # Errors
    ///
    /// When it does not follow the grammar, or a part of it could be mistaken for an option.
    pub fn parse(given: &str, shown: &str) -> Result<Self, UrlError> {
        let url = gix::url::parse(given).map_err(|err| {
            let text = err.to_string().replace(given, shown);
            UrlError::Malformed(Cause::text(without_control_characters(&text)))
        })?;
        let is_unsafe = url.host().is_some_and(|host| host.starts_with('-'))
            || url.user().is_some_and(|user| user.starts_with('-'))
            || url.path.starts_with(b"-");
        let public = Self::new(url);
        if is_unsafe { Err(UrlError::Unsafe { url: public.to_string() }) } else { Ok(public) }
    }

    /// A URL that was understood already.
    pub fn new(url: gix::Url) -> Self {
        let mut public = url.clone();
        public.set_password(None);
        // An ssh user is part of the address; elsewhere a user name is as often as not a token.
        if public.scheme != gix::url::Scheme::Ssh {
            public.set_user(None);
        }
        let shown = without_control_characters(&public.to_bstring().to_string());
        Self { url, shown }
    }

    /// The URL as the transport needs it, credentials included.
    pub(crate) fn for_transport(&self) -> gix::Url {
        self.url.clone()
    }

    /// Whether the URL carries credentials of its own.
    pub fn has_credentials(&self) -> bool {
        self.url.password().is_some() || (self.url.user().is_some() && self.url.scheme != gix::url::Scheme::Ssh)
    }

    /// The last segment of the path without `.git`: what a clone would be called. `None` for a URL without a path.
    pub fn repository_name(&self) -> Option<String> {
        let path = self.url.path.to_string();
        let name = path.trim_end_matches('/').rsplit(['/', ':']).next()?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// `text` without this URL's credentials, in whatever spelling a lower layer chose.
    pub(crate) fn redact(&self, text: &str) -> String {
        if !self.has_credentials() {
            return text.to_owned();
        }
        let raw = self.url.to_bstring().to_string();
        let userinfo =
            raw.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@')).map(|p| p.0);
        let user = self.url.user().filter(|_| self.url.scheme != gix::url::Scheme::Ssh);
        let mut text = text.replace(&raw, &self.shown);
        for secret in [userinfo, self.url.password(), user].into_iter().flatten().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        text
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryUrl({:?})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RepositoryUrl {
        RepositoryUrl::new(gix::url::parse(text).unwrap())
    }

    #[test]
    fn credentials_are_not_shown() {
        let url = url("https://bob:s3cret@example.org/team/tool.git");
        assert_eq!(url.to_string(), "https://example.org/team/tool.git");
        assert!(!format!("{url:?}").contains("s3cret"));
        let text = "cannot reach https://bob:s3cret@example.org/team/tool.git: s3cret is wrong";
        assert!(!url.redact(text).contains("s3cret"));
    }

    #[test]
    fn a_token_without_a_password_is_a_secret_too() {
        assert_eq!(url("https://ghp_token@example.org/a/b").to_string(), "https://example.org/a/b");
    }

    #[test]
    fn an_ssh_user_is_part_of_the_address() {
        assert_eq!(url("git@example.org:team/tool.git").to_string(), "git@example.org:team/tool.git");
    }

    #[test]
    fn the_name_is_the_last_segment() {
        for (text, name) in [
            ("https://example.org/team/tool.git", Some("tool")),
            ("https://example.org/team/tool/", Some("tool")),
            ("git@example.org:tool", Some("tool")),
            ("https://example.org/", None),
        ] {
            assert_eq!(url(text).repository_name().as_deref(), name, "{text}");
        }
    }
}
