//! Sends a request until there is an answer that counts: authenticates, follows, waits, tries again.
//!
//! Statuses that say no are turned into errors here, but for those that the caller has asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, StatusCode};
use url::Url;

use super::challenge;
use super::connections::{Transport, authority};
use super::payload::Payload;
use super::response::{Response, message};
use super::{Scope, retry};
use crate::error::RegistryError;
use crate::progress::Progress;
use crate::reference::Repository;
use crate::settings::Protocol;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// How often a body that is being sent is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Below the repository: `manifests/latest`.
    Repository(String),
    /// The interface itself: `/v2/`.
    Root,
    /// Where the registry said.
    Url(Url),
}

/// How often a request is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attempts {
    /// As often as the settings allow.
    AsSet,
    /// Once: what comes after a failure is the caller's to say.
    One,
}

/// A request to a registry.
pub(crate) struct Request<'a> {
    /// Whose credentials it is sent with.
    pub(crate) repository: &'a Repository,
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) payload: Payload,
    /// What it needs to be allowed to do.
    pub(crate) scopes: Vec<Scope>,
    /// What it does, as in "while pulling …".
    pub(crate) what: String,
    /// What it is about, as in "has no …".
    pub(crate) object: String,
    /// Statuses that are answers and not errors, besides those of success.
    pub(crate) accepted: &'static [u16],
    pub(crate) attempts: Attempts,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a> Request<'a> {
    pub(crate) fn new(repository: &'a Repository, method: Method, target: Target, progress: &'a dyn Progress) -> Self {
        Self {
            repository,
            method,
            target,
            headers: Vec::new(),
            payload: Payload::Empty,
            scopes: vec![Scope::pull(repository)],
            what: format!("asking for {repository}"),
            object: repository.to_string(),
            accepted: &[],
            attempts: Attempts::AsSet,
            progress,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What it does, and what it is about.
    pub(crate) fn about(mut self, what: impl Into<String>, object: impl Into<String>) -> Self {
        self.what = what.into();
        self.object = object.into();
        self
    }

    pub(crate) fn scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn once(mut self) -> Self {
        self.attempts = Attempts::One;
        self
    }

    pub(crate) fn accepting(mut self, statuses: &'static [u16]) -> Self {
        self.accepted = statuses;
        self
    }
}

impl Transport {
    /// Sends a request, as often as it takes.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        let limits = self.settings.limits;
        let attempts = if request.attempts == Attempts::One { 1 } else { limits.attempts };
        let mut attempt = 1;
        let mut shown = 0;
        loop {
            let sent = self.send_once(request, &mut shown).await;
            let (reason, retry_after) = match &sent {
                Ok(response) if request.accepted.contains(&response.status().as_u16()) => return sent,
                Ok(response) if retry::is_passing(response.status()) => {
                    (response.status().to_string(), retry::retry_after(response.header("retry-after")))
                }
                Err(err) if retry::is_transient(err) => (err.to_string(), None),
                Ok(_) => return self.judged(sent?, request).await,
                Err(_) => return sent,
            };
            match retry::pause(attempt, retry_after, limits.longest_pause) {
                Some(pause) if attempt < attempts => {
                    request.progress.retrying(&reason, pause);
                    tracing::debug!("{} failed ({reason}); trying again in {pause:?}", request.what);
                    tokio::time::sleep(pause).await;
                }
                _ => return self.judged(sent?, request).await,
            }
            attempt += 1;
        }
    }

    /// One attempt, which includes getting a token.
    async fn send_once(&self, request: &Request<'_>, rounds: &mut u32) -> Result<Response, RegistryError> {
        loop {
            let authorization = self.authorization(request.repository, &request.scopes).await;
            let was_plain = !self.is_encrypted(request.repository.registry());
            let sent = self.follow(request, authorization.as_ref()).await;
            if was_plain && seems_encrypted(&sent) && self.encrypt(request.repository.registry()) {
                continue;
            }
            let response = sent.map_err(|err| self.asked_wrongly(err, request))?;
            if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(request, response.url())? {
                return Ok(response);
            }
            let headers = response.headers().get_all(WWW_AUTHENTICATE);
            let challenge = challenge::best(headers.iter().filter_map(|value| value.to_str().ok()));
            match challenge {
                // What was shown was fresh, so another one would not help.
                Some(challenge) if *rounds < 2 => {
                    *rounds += 1;
                    let (scopes, refused) = (&request.scopes, authorization.as_ref());
                    self.answer(&challenge, request.repository, scopes, refused, request.progress).await?;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Sends it, and goes where the registry points to. What proves who we are goes to the registry alone.
    async fn follow(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut url = self.url(request)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_to(request, &url, authorization).await?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let is_read = matches!(request.method, Method::GET | Method::HEAD);
            let location = response.header(LOCATION.as_str()).filter(|_| is_redirect && is_read);
            let Some(location) = location else { return Ok(response) };
            let next = url.join(location).ok().filter(|next| matches!(next.scheme(), "http" | "https"));
            let broken = |reason: &str| RegistryError::Protocol {
                host: authority(&url),
                what: request.what.clone(),
                reason: reason.to_owned(),
            };
            let next = next.ok_or_else(|| broken("it redirects to something that is no address"))?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(broken("it redirects from HTTPS to plain HTTP"));
            }
            url = next;
        }
        Err(RegistryError::Protocol {
            host: authority(&url),
            what: request.what.clone(),
            reason: format!("it redirects more than {MAX_REDIRECTS} times"),
        })
    }

    async fn send_to(
        &self,
        request: &Request<'_>,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let sent = Arc::new(AtomicU64::new(0));
        let mut builder = self.client(url)?.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(value) = authorization
            && self.is_own(request, url)?
        {
            builder = builder.header(AUTHORIZATION, value);
        }
        if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            builder = builder.body(request.payload.body(&sent));
            return self.exchange_with_body(builder, url, request, &sent).await;
        }
        self.exchange(builder, url, &request.what).await
    }

    /// Sends a request without a body worth watching.
    pub(super) async fn exchange(
        &self,
        builder: RequestBuilder,
        url: &Url,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let idle = self.settings.limits.idle;
        match tokio::time::timeout(idle, builder.send()).await {
            Ok(Ok(response)) => Ok(Response::new(response, authority(url), what.to_owned(), idle)),
            Ok(Err(source)) => Err(self.failure(url, source)),
            Err(_) => Err(RegistryError::TimedOut { host: self.called(url), what: what.to_owned(), after: idle }),
        }
    }

    /// Sends a request with a body; it may take as long as it moves.
    async fn exchange_with_body(
        &self,
        builder: RequestBuilder,
        url: &Url,
        request: &Request<'_>,
        sent: &AtomicU64,
    ) -> Result<Response, RegistryError> {
        let idle = self.settings.limits.idle;
        let mut exchange = std::pin::pin!(builder.send());
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            match tokio::time::timeout(TICK.min(idle), &mut exchange).await {
                Ok(Ok(response)) => {
                    return Ok(Response::new(response, authority(url), request.what.clone(), idle));
                }
                Ok(Err(source)) => {
                    let done = sent.load(Ordering::Relaxed);
                    if done == 0 || source.is_connect() {
                        return Err(self.failure(url, source));
                    }
                    let (host, what, total) = (authority(url), request.what.clone(), Some(request.payload.len()));
                    return Err(RegistryError::BrokeOff { host, what, done, total, source: source.without_url() });
                }
                Err(_) => {
                    let now = sent.load(Ordering::Relaxed);
                    if now != before {
                        (before, moved) = (now, Instant::now());
                        request.progress.sent(now, request.payload.len());
                    } else if moved.elapsed() >= idle {
                        let (host, what) = (self.called(url), request.what.clone());
                        return Err(RegistryError::TimedOut { host, what, after: idle });
                    }
                }
            }
        }
    }

    /// Who was asked in plain HTTP because somebody said so, and gives no answer, may want something else.
    fn asked_wrongly(&self, err: RegistryError, request: &Request<'_>) -> RegistryError {
        let registry = request.repository.registry();
        let is_told = self.settings.registry(registry).protocol == Protocol::PlainHttp;
        let is_own = |host: &str| self.base(registry).is_ok_and(|base| authority(&base) == host);
        match err {
            RegistryError::Connect { host, source } if is_told && is_own(&host) && !source.is_connect() => {
                if is_no_http(&source) {
                    RegistryError::SpeaksTls { host }
                } else {
                    RegistryError::PlainHttp { host, source }
                }
            }
            err => err,
        }
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, RegistryError> {
        let base = self.base(request.repository.registry())?;
        let joined = match &request.target {
            Target::Url(url) => return Ok(url.clone()),
            Target::Root => base.join("v2/"),
            Target::Repository(rest) => base.join(&format!("v2/{}/{rest}", request.repository.path())),
        };
        joined.map_err(|err| RegistryError::Setting(format!("`{}` cannot be asked: {err}", request.repository)))
    }

    /// Whether a URL is the registry's own, so that it may see credentials.
    fn is_own(&self, request: &Request<'_>, url: &Url) -> Result<bool, RegistryError> {
        Ok(self.base(request.repository.registry())?.origin() == url.origin())
    }

    /// Turns an answer that says no into an error.
    async fn judged(&self, mut response: Response, request: &Request<'_>) -> Result<Response, RegistryError> {
        let status = response.status();
        if status.is_success() || request.accepted.contains(&status.as_u16()) {
            return Ok(response);
        }
        let retry_after = retry::retry_after(response.header("retry-after"));
        let body = response.refusal().await;
        let message = message(&body);
        let registry = request.repository.registry().to_owned();
        let (tried, anonymous) = self.tried(request.repository).await;
        Err(match status.as_u16() {
            401 | 403 if self.is_own(request, response.url())? => {
                RegistryError::Denied { registry, what: request.what.clone(), message, tried }
            }
            400 if says_tls(&response, &request.method, &body) => {
                RegistryError::SpeaksTls { host: response.host().to_owned() }
            }
            // Nobody but a proxy answers so.
            407 => RegistryError::Status {
                host: self.via(response.url())?.map_or(registry, |via| via.to_string()),
                what: request.what.clone(),
                status: 407,
                message,
            },
            404 => RegistryError::NotFound { registry, what: request.object.clone(), message, anonymous },
            429 => RegistryError::RateLimited { host: response.host().to_owned(), retry_after },
            status => {
                RegistryError::Status { host: response.host().to_owned(), what: request.what.clone(), status, message }
            }
        })
    }
}

/// Whether who was asked by HTTP speaks HTTPS. Go's server answers such a request in its own way; others send what is no
/// HTTP.
fn seems_encrypted(sent: &Result<Response, RegistryError>) -> bool {
    match sent {
        Ok(response) => {
            response.url().scheme() == "http" && response.status() == StatusCode::BAD_REQUEST && response.is_ancient()
        }
        Err(RegistryError::Connect { source, .. }) => is_no_http(source),
        Err(_) => false,
    }
}

/// Whether what came is no HTTP, such as an alert of TLS.
fn is_no_http(source: &reqwest::Error) -> bool {
    format!("{source:?}").contains("Parse(Version)")
}

/// Whether a refusal of a request in plain HTTP says that TLS is expected. An answer to HEAD has no words for it, but Go's
/// server gives it in an old version of HTTP.
fn says_tls(response: &Response, method: &Method, body: &[u8]) -> bool {
    // Go's server, nginx, Apache.
    let words = ["to an HTTPS server", "to HTTPS port", "to an SSL-enabled server"];
    let body = String::from_utf8_lossy(body);
    let is_said = words.iter().any(|words| body.contains(words));
    response.url().scheme() == "http" && (is_said || (method == Method::HEAD && response.is_ancient()))
}
