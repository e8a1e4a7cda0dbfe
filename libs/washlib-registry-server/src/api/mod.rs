//! The OCI distribution specification 1.1: from a request to its response.
//!
//! It knows the store and HTTP, but neither connections nor who is allowed in.

mod blobs;
pub(crate) mod body;
mod content;
mod lists;
mod manifests;
pub(crate) mod refusal;
pub(crate) mod route;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::store::{Store, StoreError};
use body::ReplyBody;
use refusal::{Code, Refusal};
use route::{Query, Route};

/// What clients of the first registry still look for.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// How many changes of indexes may be under way at once. More would only wait for the disk and for each other, each in a
/// thread of its own.
const CHANGES_AT_ONCE: usize = 8;

/// A registry's answers.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    store: Arc<Store>,
    /// How long a client may pause within a body.
    body_timeout: Duration,
    changes: Arc<Semaphore>,
}

/// A request whose place is known.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
}

impl Api {
    pub(crate) fn new(store: Arc<Store>, body_timeout: Duration) -> Self {
        Self { store, body_timeout, changes: Arc::new(Semaphore::new(CHANGES_AT_ONCE)) }
    }

    pub(crate) async fn answer(
        &self,
        head: &Parts,
        route: Route,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let query = Query::parse(head.uri.query());
        let asked = Asked { method: &head.method, headers: &head.headers, query };
        let mut response = match route {
            Route::Base => base(&asked),
            Route::Catalog => self.catalog(&asked).await,
            Route::Tags(name) => self.tags(&asked, name).await,
            Route::Manifest(name, reference) => self.manifest(&asked, name, reference, body).await,
            Route::Blob(name, digest) => self.blob(&asked, name, digest).await,
            Route::Uploads(name) => self.begin_upload(&asked, name, body).await,
            Route::Upload(name, id) => self.upload(&asked, name, id, body).await,
            Route::Referrers(name, digest) => self.referrers(&asked, name, digest).await,
        }?;
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        Ok(response)
    }

    /// Does something with the store, which blocks, on a thread for that.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.store);
        let result = tokio::task::spawn_blocking(move || work(&store)).await;
        Ok(result.map_err(|err| StoreError::Io(std::io::Error::other(err)))??)
    }

    /// The same for what changes an index.
    async fn changing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.changes).acquire_owned().await;
        self.blocking(move |store| {
            // Held until the work is done, even when nobody waits for it any more.
            let _permit = permit;
            work(store)
        })
        .await
    }
}

fn base(asked: &Asked<'_>) -> Result<Response<ReplyBody>, Refusal> {
    match *asked.method {
        Method::GET | Method::HEAD => Ok(json("{}".to_owned())),
        _ => Err(Refusal::method("GET, HEAD")),
    }
}

fn json(text: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A header's value from a text that was checked: digests, names and numbers have no characters that it may not have.
fn header(text: impl AsRef<str>) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text.as_ref()).map_err(|err| Refusal::new(Code::Unknown, err.to_string()))
}
