//! A request that is not done: its status, the specification's code, and a sentence for people.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes>

use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::body::ReplyBody;
use crate::name::NameError;
use crate::store::StoreError;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unauthorized,
    Denied,
    Unsupported,
    Unknown,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestBlobUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::PaginationNumberInvalid
            | Self::SizeInvalid
            | Self::TagInvalid => StatusCode::BAD_REQUEST,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The answer to a request that is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What only the operator learns.
    internal: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { status: code.status(), code, message: message.into(), headers: Vec::new(), internal: None }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::Unsupported, message).with_status(StatusCode::NOT_FOUND)
    }

    /// For a method that a place does not know.
    pub(crate) fn method(allowed: &'static str) -> Self {
        Self::new(Code::Unsupported, format!("this place knows {allowed}"))
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What the operator should know: the chain of an error that is not the client's fault.
    pub(crate) fn failure(&self) -> Option<String> {
        self.internal.clone()
    }

    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        let document = json!({ "errors": [{ "code": self.code.text(), "message": self.message }] });
        let mut response = Response::new(ReplyBody::from(document.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<NameError> for Refusal {
    fn from(err: NameError) -> Self {
        let code = match &err {
            NameError::Repository(_) => Code::NameInvalid,
            NameError::Tag(_) => Code::TagInvalid,
            NameError::Digest(_) => Code::DigestInvalid,
        };
        Self::new(code, err.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(err: StoreError) -> Self {
        let message = err.to_string();
        match err {
            StoreError::UnknownRepository(_) => Self::new(Code::NameUnknown, message),
            StoreError::UnknownManifest { .. } => Self::new(Code::ManifestUnknown, message),
            StoreError::UnknownBlob { .. } => Self::new(Code::BlobUnknown, message),
            StoreError::UnknownUpload => Self::new(Code::BlobUploadUnknown, message),
            StoreError::MissingBlob(_) => Self::new(Code::ManifestBlobUnknown, message),
            StoreError::InvalidManifest(_) => Self::new(Code::ManifestInvalid, message),
            StoreError::ManifestTooLarge { .. } => {
                Self::new(Code::SizeInvalid, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            StoreError::DigestMismatch { .. } => Self::new(Code::DigestInvalid, message),
            StoreError::OutOfOrder { received } => {
                let refusal = Self::new(Code::BlobUploadInvalid, message);
                let refusal = refusal.with_status(StatusCode::RANGE_NOT_SATISFIABLE);
                match HeaderValue::from_str(&format!("0-{}", received.saturating_sub(1))) {
                    Ok(range) => refusal.with_header(http::header::RANGE, range),
                    Err(_) => refusal,
                }
            }
            StoreError::Busy(_) => {
                Self::new(Code::TooManyRequests, message).with_header(http::header::RETRY_AFTER, HeaderValue::from(1))
            }
            StoreError::TooManyUploads { .. } => {
                Self::new(Code::TooManyRequests, message).with_header(http::header::RETRY_AFTER, HeaderValue::from(60))
            }
            StoreError::Index { source, .. } => Self::internal(message, &source),
            StoreError::Io(source) => {
                let status = match source.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                        StatusCode::INSUFFICIENT_STORAGE
                    }
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Self::internal(message, &source).with_status(status)
            }
        }
    }
}

impl Refusal {
    /// A client is not told paths of this machine.
    fn internal(message: String, source: &dyn std::error::Error) -> Self {
        let text = format!("{message}: {source}");
        let mut refusal = Self::new(Code::Unknown, "the registry could not do it; its operator knows why");
        refusal.internal = Some(text);
        refusal
    }
}
