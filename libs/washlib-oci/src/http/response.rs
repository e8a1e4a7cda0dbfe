//! An answer, read with a time limit for silence and a limit for its size.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use serde::Deserialize;
use url::Url;

use crate::error::{RegistryError, printable};

/// Errors are short.
const MAX_ERROR: u64 = 64 << 10;

/// An answer whose body has not been read.
pub(crate) struct Response {
    inner: reqwest::Response,
    /// Who answered.
    host: String,
    /// What was asked, for errors.
    what: String,
    idle: Duration,
    /// How far the body has come, from the beginning of what it is a part of.
    received: u64,
    /// Where it will end, if that was said.
    end: Option<u64>,
}

impl Response {
    pub(super) fn new(inner: reqwest::Response, host: String, what: String, idle: Duration) -> Self {
        let received = begin(&inner);
        let end = inner.content_length().map(|length| received.saturating_add(length));
        Self { inner, host, what, idle, received, end }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The address that answered, after redirects.
    pub(crate) fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Whether it is in a version of HTTP that servers speak only to those whom they do not understand.
    pub(super) fn is_ancient(&self) -> bool {
        self.inner.version() < reqwest::Version::HTTP_11
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The next piece of the body; none at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        match tokio::time::timeout(self.idle, self.inner.chunk()).await {
            Ok(Ok(chunk)) => {
                let length = chunk.as_ref().map_or(0, Bytes::len) as u64;
                self.received = self.received.saturating_add(length);
                Ok(chunk)
            }
            Ok(Err(source)) => {
                let (host, what, source) = (self.host.clone(), self.what.clone(), source.without_url());
                Err(RegistryError::BrokeOff { host, what, done: self.received, total: self.end, source })
            }
            Err(_) => {
                let (host, what) = (self.host.clone(), self.what.clone());
                Err(RegistryError::TimedOut { host, what, after: self.idle })
            }
        }
    }

    /// The whole body, which may have `limit` bytes at most.
    pub(crate) async fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let too_large =
            || RegistryError::TooLarge { what: format!("what {} sent while {}", self.host, self.what), limit };
        if self.inner.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(RegistryError::TooLarge {
                    what: format!("what {} sent while {}", self.host, self.what),
                    limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What the registry says about its refusal, in a form fit for a terminal.
    pub(crate) async fn message(&mut self) -> Option<String> {
        message(&self.refusal().await)
    }

    /// The body of a refusal, as far as there is one.
    pub(super) async fn refusal(&mut self) -> Vec<u8> {
        self.bytes(MAX_ERROR).await.unwrap_or_default()
    }
}

/// Where the body begins in what it is a part of.
fn begin(response: &reqwest::Response) -> u64 {
    let begin = || {
        let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
        range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
    };
    if response.status() == StatusCode::PARTIAL_CONTENT { begin().unwrap_or(0) } else { 0 }
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
    /// Token servers answer in this form.
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

pub(super) fn message(body: &[u8]) -> Option<String> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let of_one = |error: &OneError| {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        set(&error.message).or_else(|| set(&error.code))
    };
    let listed: Vec<String> = errors.errors.iter().filter_map(of_one).collect();
    let text = if listed.is_empty() { errors.details.or(errors.error_description)? } else { listed.join("; ") };
    Some(printable(&text)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn messages_are_found_and_harmless() {
        let text = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"},{"code":"OTHER"}]}"#;
        assert_eq!(message(text).as_deref(), Some("no [31m way; OTHER"));
        assert_eq!(message(br#"{"details":"incorrect password"}"#).as_deref(), Some("incorrect password"));
        assert_eq!(message(b"<html>"), None);
        assert_eq!(message(br#"{"errors":[]}"#), None);
        assert!(message(format!(r#"{{"details":"{}"}}"#, "x".repeat(5000)).as_bytes()).unwrap().chars().count() < 400);
    }
}
