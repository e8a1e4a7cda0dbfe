//! What can go wrong between a client and a registry.
//!
//! No variant carries a credential, and what a registry says is shortened and freed of control characters.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cache::CacheError;
use crate::digest::Digest;
use crate::manifest::DocumentError;

/// Why a registry did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection came about, or it broke.
    #[error("cannot reach {host}")]
    Connect {
        /// The registry, or where it sent us.
        host: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The connection ended in the middle of a body.
    #[error("the connection to {host} broke off after {} while {what}", how_far(*.done, *.total))]
    BrokeOff {
        /// The registry, or where it sent us.
        host: String,
        /// What was being done.
        what: String,
        /// How many bytes had come, or gone.
        done: u64,
        /// How many there are, if that is known.
        total: Option<u64>,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// A registry that was asked in plain HTTP, because somebody said so, ended the connection without an answer.
    #[error("{host} was asked in plain HTTP, and closed the connection")]
    PlainHttp {
        /// The registry.
        host: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// A registry that was asked in plain HTTP, because somebody said so, expects TLS.
    #[error("{host} speaks TLS, and was asked in plain HTTP")]
    SpeaksTls {
        /// The registry.
        host: String,
    },
    /// There is no connection to the proxy.
    #[error("cannot reach {proxy} on the way to {host}")]
    ProxyUnreachable {
        /// The proxy and who named it, without its credentials.
        proxy: String,
        /// The registry, or where it sent us.
        host: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The proxy does not pass on what it should.
    #[error("{proxy} gives no way to {host}")]
    ProxyFailed {
        /// The proxy and who named it, without its credentials.
        proxy: String,
        /// The registry, or where it sent us.
        host: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("{host} did not answer within {} while {what}", humantime::format_duration(*.after))]
    TimedOut {
        /// The registry, or where it sent us.
        host: String,
        /// What was being done.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server that gives out a registry's tokens cannot be reached or does not answer.
    #[error("the token server {host}, which {registry} names, gave no answer")]
    TokenServer {
        /// The token server.
        host: String,
        /// The registry.
        registry: String,
        /// What went wrong.
        source: Box<RegistryError>,
    },
    /// Access was refused.
    #[error("{registry} refuses {what}{}; {}", what_it_said(.message), what_was_tried(.tried))]
    Denied {
        /// The registry.
        registry: String,
        /// What was being done.
        what: String,
        /// What the registry said about it.
        message: Option<String>,
        /// Which credentials were used, and where others were looked for.
        tried: Vec<String>,
    },
    /// There is no such thing.
    #[error("{registry} has no {what}{}", what_it_said(.message))]
    NotFound {
        /// The registry.
        registry: String,
        /// What was looked for.
        what: String,
        /// What the registry said about it.
        message: Option<String>,
        /// Whether it was looked for without credentials; registries hide what they do not want to show.
        anonymous: bool,
    },
    /// Too many requests.
    #[error("{host} allows no more requests for now{}", when_again(.retry_after))]
    RateLimited {
        /// The registry.
        host: String,
        /// When it would allow more.
        retry_after: Option<Duration>,
    },
    /// An answer that says no in another way.
    #[error("{host} answered {status} while {what}{}", what_it_said(.message))]
    Status {
        /// The registry, or where it sent us.
        host: String,
        /// What was being done.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said about it.
        message: Option<String>,
    },
    /// An answer that breaks the specification.
    #[error("{host} broke the protocol while {what}: {reason}")]
    Protocol {
        /// The registry, or where it sent us.
        host: String,
        /// What was being done.
        what: String,
        /// Which rule was broken.
        reason: String,
    },
    /// More than is accepted.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is.
        what: String,
        /// How much is accepted.
        limit: u64,
    },
    /// Other bytes than were asked for.
    #[error("{what} has the digest {found}, but {expected} was expected")]
    Digest {
        /// What does.
        what: String,
        /// The one that was asked for or promised.
        expected: Digest,
        /// That of the bytes.
        found: Digest,
    },
    /// More or fewer bytes than were promised.
    #[error("{what} should have {expected} bytes, and {host} sent {found}")]
    Length {
        /// What does.
        what: String,
        /// The registry, or where it sent us.
        host: String,
        /// How many the manifest promises.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// What came is no manifest.
    #[error("{what} cannot be read")]
    Document {
        /// The manifest.
        what: String,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A certificate or key of ours cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// A file on this machine.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl RegistryError {
    /// Whether a registry says that it does not have what was asked for.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// What is likely to help, where something is.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { registry, .. } => Some(format!("log in with `wash oci login {registry}`")),
            Self::NotFound { registry, anonymous: true, .. } => {
                Some(format!("if it is private, log in with `wash oci login {registry}`"))
            }
            Self::Connect { source, host } if is_plain_http(source) => {
                Some(format!("{host} seems to speak plain HTTP: `--insecure` allows that"))
            }
            Self::PlainHttp { .. } => Some("if it speaks TLS, leave out `--insecure`".to_owned()),
            Self::SpeaksTls { .. } => Some(
                "leave out `--insecure`; `plain_http` and WASMCLOUD_OCI_ALLOWED_INSECURE must not name it either"
                    .to_owned(),
            ),
            Self::Connect { source, .. } if is_unknown_authority(source) => {
                Some("if the registry has an authority of its own, name its certificate with `--ca-path`".to_owned())
            }
            _ => None,
        }
    }
}

/// The whole chain of an error's texts.
pub(crate) fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(err) = next {
        text.push_str(": ");
        text.push_str(&err.to_string());
        next = err.source();
    }
    text
}

fn is_plain_http(err: &reqwest::Error) -> bool {
    let text = chain(err);
    text.contains("InvalidContentType") || text.contains("corrupt message")
}

fn is_unknown_authority(err: &reqwest::Error) -> bool {
    let text = chain(err);
    text.contains("UnknownIssuer") || text.contains("invalid peer certificate")
}

fn how_far(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{done} of {total} bytes"),
        None => format!("{done} bytes"),
    }
}

fn what_it_said(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" (\"{message}\")")).unwrap_or_default()
}

fn what_was_tried(tried: &[String]) -> String {
    if tried.is_empty() { "no credentials were found".to_owned() } else { tried.join("; ") }
}

fn when_again(after: &Option<Duration>) -> String {
    after.map(|after| format!("; in {} it does", humantime::format_duration(after))).unwrap_or_default()
}

/// What a stranger says, fit for a line of a terminal.
pub(crate) fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') { ' ' } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}
