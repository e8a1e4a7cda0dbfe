//! What a test registry was asked.

use http::HeaderMap;
use http::request::Parts;

/// One request, as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SeenRequest {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query; empty if it had none.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The status that it was answered with; 0 if it was not answered.
    pub status: u16,
}

impl SeenRequest {
    pub(super) fn new(head: &Parts) -> Self {
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers.clone(),
            status: 0,
        }
    }

    /// A header's value as text; `None` if it was not sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Method and path in one line, as in `GET /v2/hello/tags/list`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}
