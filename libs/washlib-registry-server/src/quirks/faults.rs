//! What can go wrong at a place, and how often.

use http::Method;
use http::request::Parts;

use crate::api::route::Route;

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Place {
    /// All, those for tokens excepted.
    Any,
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// The list of tags.
    Tags,
    /// Manifests, read or pushed.
    Manifest,
    /// Blobs that are there.
    Blob,
    /// The `POST` that an upload begins with.
    BeginUpload,
    /// `PATCH` and `PUT` of an upload.
    UploadPiece,
    /// Referrers.
    Referrers,
    /// `/token`
    Token,
}

impl Place {
    /// Where a request is for.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        if head.uri.path() == super::tokens::PATH {
            return Some(Self::Token);
        }
        Some(match Route::parse(head.uri.path()).ok()? {
            Route::Base => Self::Base,
            Route::Catalog => Self::Catalog,
            Route::Tags(_) => Self::Tags,
            Route::Manifest(..) => Self::Manifest,
            Route::Blob(..) => Self::Blob,
            Route::Uploads(_) => Self::BeginUpload,
            Route::Upload(..) => Self::UploadPiece,
            Route::Referrers(..) => Self::Referrers,
        })
    }

    pub(super) fn includes(self, place: Option<Self>) -> bool {
        match self {
            Self::Any => place != Some(Self::Token),
            one => place == Some(one),
        }
    }
}

/// What happens instead of a response, or to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Another status, with an error in the specification's form.
    Status(u16),
    /// Another status, with an HTML page as proxies send it.
    Page(u16),
    /// Status 429 and how long to wait.
    TooManyRequests {
        /// Seconds.
        retry_after: u64,
    },
    /// No response; the connection is cut.
    Cut,
    /// No response; the connection stays open.
    Hang,
    /// The head and half the body, and then nothing; the connection stays open.
    HangInBody,
    /// Half the body; then the connection breaks.
    HalfBody,
    /// Another body, of another length, which is no JSON.
    Garbage,
    /// A body of the same length, of which one byte is another.
    FlippedByte,
    /// `Content-Length` is so much larger than the body; then the connection breaks.
    LongerLength(u64),
    /// `Content-Length` is so much smaller than the body.
    ShorterLength(u64),
    /// A header with the digest of something else.
    WrongDigestHeader,
    /// An endless body, without `Content-Length`, of so many bytes.
    Huge(u64),
    /// Status 307 to the same path at another host.
    RedirectElsewhere,
    /// Status 307 to the request's own place, for ever.
    RedirectLoop,
}

/// A fault, where it happens, and how often.
#[derive(Clone, Debug)]
pub struct Faulty {
    place: Place,
    method: Option<Method>,
    path: Option<String>,
    skipped: usize,
    remaining: Option<usize>,
    pub(super) fault: Fault,
}

impl Faulty {
    pub(super) fn new(place: Place, fault: Fault) -> Self {
        Self { place, method: None, path: None, skipped: 0, remaining: None, fault }
    }

    /// It happens only to requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.parse().expect("a method of HTTP"));
        self
    }

    /// It happens only to requests whose path contains this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// It happens so many times; after that, all is well.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.remaining = Some(times);
        self
    }

    /// The first requests are answered as they should be.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skipped = requests;
        self
    }

    /// Whether it happens to this request, which counts.
    pub(super) fn strikes(&mut self, head: &Parts, place: Option<Place>) -> bool {
        let is_concerned = self.place.includes(place)
            && self.method.as_ref().is_none_or(|method| *method == head.method)
            && self.path.as_ref().is_none_or(|part| head.uri.path().contains(part.as_str()));
        if !is_concerned || self.remaining == Some(0) {
            return false;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= 1;
        }
        true
    }
}
