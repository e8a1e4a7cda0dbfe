//! Who answers a request, and what every request is held to before it is answered.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use http::header::{CONNECTION, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::credentials::Credentials;
use crate::api::Api;
use crate::api::body::ReplyBody;
use crate::api::refusal::{Code, Refusal};
use crate::api::route::Route;

/// How much of a refused request's body is read to its end, and for how long: a client that is still sending would not
/// hear why it was refused.
const DISCARDED_BYTES: u64 = 64 * 1024 * 1024;
const DISCARDED_TIME: Duration = Duration::from_secs(5);

/// What a request was answered with.
pub(crate) struct Answer {
    pub(crate) response: Response<ReplyBody>,
    /// What only the operator learns.
    pub(crate) failure: Option<String>,
}

impl Answer {
    pub(crate) fn new(response: Response<ReplyBody>) -> Self {
        Self { response, failure: None }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self { failure: refusal.failure(), response: refusal.into_response() }
    }
}

/// No answer: the connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(crate) struct Cut;

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Cut>> + Send + 'a>>;

/// Answers requests.
pub(crate) trait Handler: Send + Sync {
    fn answer(&self, head: Parts, body: Incoming, client: SocketAddr) -> Answering<'_>;
}

/// A registry as it should be.
pub(crate) struct Registry {
    pub(crate) api: Api,
    pub(crate) credentials: Option<Credentials>,
}

impl Handler for Registry {
    fn answer(&self, head: Parts, body: Incoming, _: SocketAddr) -> Answering<'_> {
        Box::pin(async move { Ok(self.respond(&head, body).await) })
    }
}

impl Registry {
    pub(crate) async fn respond(&self, head: &Parts, mut body: Incoming) -> Answer {
        let result = match self.admit(head) {
            Ok(route) => self.api.answer(head, route, &mut body).await,
            Err(refusal) => Err(refusal),
        };
        match result {
            Ok(response) => Answer::new(response),
            Err(refusal) => {
                let mut answer = Answer::from(refusal);
                if !discard(&mut body).await {
                    answer.response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
        }
    }

    fn admit(&self, head: &Parts) -> Result<Route, Refusal> {
        // Only browsers send it, for a page that has no business with a registry on this machine.
        if head.headers.contains_key(ORIGIN) {
            return Err(Refusal::new(Code::Denied, "web pages may not use this registry"));
        }
        if let Some(credentials) = &self.credentials {
            Self::admit_user(credentials, &head.headers)?;
        }
        // After that, so that strangers learn nothing.
        Route::parse(head.uri.path())
    }

    pub(crate) fn admit_user(credentials: &Credentials, headers: &HeaderMap) -> Result<(), Refusal> {
        if credentials.admit(headers) {
            return Ok(());
        }
        let challenge = HeaderValue::from_static("Basic realm=\"registry\"");
        let refusal = Refusal::new(Code::Unauthorized, "a user and a password are needed");
        Err(refusal.with_header(WWW_AUTHENTICATE, challenge))
    }
}

/// Reads a body to its end, within limits. Returns whether it has ended.
pub(crate) async fn discard(body: &mut Incoming) -> bool {
    let mut bytes = 0;
    let reading = async {
        while !body.is_end_stream() {
            match body.frame().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            }
            if bytes > DISCARDED_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DISCARDED_TIME, reading).await.unwrap_or(false)
}
