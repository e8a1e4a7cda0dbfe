//! Shows registries who asks: passwords where they want them, else tokens from the server that they name.
//!
//! Tokens are kept for as long as they are good, one for each set of scopes. Secrets go to the registry itself and to
//! the token server that it names, to nobody else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::Scope;
use super::challenge::Challenge;
use super::connections::{Transport, authority, is_loopback};
use super::response::Response;
use super::retry;
use crate::credentials::{Credential, Found};
use crate::error::RegistryError;
use crate::progress::Progress;
use crate::reference::Repository;

/// A token is short.
const MAX_ANSWER: u64 = 1 << 20;
/// How long a token is good where its server does not say it, and at least, by Docker's specification.
const LEAST_LIFETIME: Duration = Duration::from_secs(60);
/// What we call ourselves to a token server.
const CLIENT_ID: &str = "wash";

/// What is known about who may do what.
#[derive(Default)]
pub(super) struct Authenticator {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    found: HashMap<Repository, Found>,
    authorizations: HashMap<Key, Authorization>,
}

/// A token is good for a set of scopes in a registry; a password belongs to a repository.
type Key = (Repository, Vec<Scope>);

#[derive(Clone)]
struct Authorization {
    value: HeaderValue,
    expires: Option<Instant>,
}

impl Authorization {
    fn is_good(&self) -> bool {
        self.expires.is_none_or(|expires| Instant::now() < expires)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Transport {
    /// What to send along, as far as it is known already.
    pub(super) async fn authorization(&self, repository: &Repository, scopes: &[Scope]) -> Option<HeaderValue> {
        let state = self.authenticator.state.lock().await;
        let authorization = state.authorizations.get(&(repository.clone(), scopes.to_vec()))?;
        authorization.is_good().then(|| authorization.value.clone())
    }

    /// Where credentials for a repository were looked for, and whether there were any.
    pub(super) async fn tried(&self, repository: &Repository) -> (Vec<String>, bool) {
        let state = self.authenticator.state.lock().await;
        match state.found.get(repository) {
            Some(found) => (found.tried.clone(), found.credential.is_none()),
            None => (Vec::new(), true),
        }
    }

    /// Gets what a registry asks for. `refused` is what was sent along in vain.
    pub(super) async fn answer(
        &self,
        challenge: &Challenge,
        repository: &Repository,
        scopes: &[Scope],
        refused: Option<&HeaderValue>,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        // Whoever comes second finds what the first one got.
        let mut state = self.authenticator.state.lock().await;
        let key = (repository.clone(), scopes.to_vec());
        if state.authorizations.get(&key).is_some_and(|known| known.is_good() && refused != Some(&known.value)) {
            return Ok(());
        }
        if !state.found.contains_key(repository) {
            let found = self.settings.credentials.find(repository).await;
            if let Some(incomplete) = &self.settings.credentials.incomplete {
                let tells = |found: &Found| found.tried.contains(&incomplete.reason);
                // Once, however many repositories a command names.
                if tells(&found) && !state.found.values().any(tells) {
                    tracing::warn!("{}", incomplete.reason);
                }
            }
            state.found.insert(repository.clone(), found);
        }
        let found = state.found.get(repository).cloned().unwrap_or_default();
        let denied = || RegistryError::Denied {
            registry: repository.registry().to_owned(),
            what: format!("access to {repository}"),
            message: None,
            tried: found.tried.clone(),
        };
        let authorization = match (challenge, &found.credential) {
            (Challenge::Basic, Some(Credential::Password { user, password })) => {
                Authorization { value: basic(user, password).ok_or_else(denied)?, expires: None }
            }
            (Challenge::Basic, _) => return Err(denied()),
            (Challenge::Bearer { .. }, Some(Credential::RegistryToken(token))) => {
                Authorization { value: bearer(token.expose()).ok_or_else(denied)?, expires: None }
            }
            (Challenge::Bearer { realm, service, scope }, credential) => {
                let asked = TokenRequest { repository, realm, service, scope, scopes, credential: credential.as_ref() };
                self.fetch_token(&asked, &found.tried, progress).await?
            }
        };
        state.authorizations.insert(key, authorization);
        Ok(())
    }

    async fn fetch_token(
        &self,
        asked: &TokenRequest<'_>,
        tried: &[String],
        progress: &dyn Progress,
    ) -> Result<Authorization, RegistryError> {
        let url = self.realm(asked)?;
        let host = authority(&url);
        let what = "asking for a token".to_owned();
        let protocol = |reason: &str| RegistryError::Protocol {
            host: host.clone(),
            what: what.clone(),
            reason: reason.to_owned(),
        };
        // An error of another kind, or the whole request would be tried again after all these attempts.
        let no_answer = |err: RegistryError| match err {
            RegistryError::Connect { .. }
            | RegistryError::BrokeOff { .. }
            | RegistryError::ProxyUnreachable { .. }
            | RegistryError::ProxyFailed { .. }
            | RegistryError::TimedOut { .. } => RegistryError::TokenServer {
                host: host.clone(),
                registry: asked.repository.registry().to_owned(),
                source: Box::new(err),
            },
            err => err,
        };
        let mut response = self.ask(&url, asked, &what, progress).await.map_err(no_answer)?;
        let status = response.status();
        if matches!(status.as_u16(), 400 | 401 | 403 | 404) {
            return Err(RegistryError::Denied {
                registry: asked.repository.registry().to_owned(),
                what: format!("a token for {}", asked.repository),
                message: response.message().await,
                tried: tried.to_vec(),
            });
        }
        if !status.is_success() {
            let message = response.message().await;
            return Err(RegistryError::Status { host, what, status: status.as_u16(), message });
        }
        let body = response.bytes(MAX_ANSWER).await.map_err(no_answer)?;
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| protocol("the answer is no JSON of a token"))?;
        let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        let token = token.ok_or_else(|| protocol("the answer holds no token"))?;
        let value = bearer(&token).ok_or_else(|| protocol("the token has characters that a header cannot have"))?;
        let lifetime = answer.expires_in.map_or(LEAST_LIFETIME, Duration::from_secs).max(LEAST_LIFETIME);
        // It must still be good when it arrives.
        let used_for = lifetime.saturating_sub((lifetime / 5).min(Duration::from_secs(10)));
        Ok(Authorization { value, expires: Instant::now().checked_add(used_for) })
    }

    /// The token server's address, which must not be easier to listen to than the registry.
    fn realm(&self, asked: &TokenRequest<'_>) -> Result<Url, RegistryError> {
        let registry = asked.repository.registry();
        let wrong = |reason: &str| RegistryError::Protocol {
            host: registry.to_owned(),
            what: "naming its token server".to_owned(),
            reason: reason.to_owned(),
        };
        let url: Url = asked.realm.parse().map_err(|_| wrong("its address is no URL"))?;
        let is_open = url.scheme() == "http" && !is_loopback(&authority(&url));
        match url.scheme() {
            "http" if is_open && self.base(registry)?.scheme() == "https" => Err(wrong("it speaks plain HTTP")),
            "http" | "https" if url.has_host() => Ok(url),
            _ => Err(wrong("its address is no URL of HTTP")),
        }
    }

    async fn ask(
        &self,
        url: &Url,
        asked: &TokenRequest<'_>,
        what: &str,
        progress: &dyn Progress,
    ) -> Result<Response, RegistryError> {
        let limits = self.settings.limits;
        let client = self.client(url)?;
        let mut attempt = 1;
        loop {
            let request = match asked.credential {
                Some(Credential::IdentityToken(token)) => client
                    .post(url.clone())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(asked.form(token)),
                credential => {
                    let request = client.get(asked.query(url));
                    match credential {
                        Some(Credential::Password { user, password }) => match basic(user, password) {
                            Some(value) => request.header(AUTHORIZATION, value),
                            None => request,
                        },
                        _ => request,
                    }
                }
            };
            let request = request.header(ACCEPT, "application/json");
            let sent = self.exchange(request, url, what).await;
            let (reason, retry_after) = match &sent {
                Ok(response) if retry::is_passing(response.status()) => {
                    let reason = format!("{}: {}", authority(url), response.status());
                    (reason, retry::retry_after(response.header("retry-after")))
                }
                Err(err) if retry::is_transient(err) => (err.to_string(), None),
                _ => return sent,
            };
            match retry::pause(attempt, retry_after, limits.longest_pause) {
                Some(pause) if attempt < limits.attempts => {
                    progress.retrying(&reason, pause);
                    tokio::time::sleep(pause).await;
                }
                _ => return sent,
            }
            attempt += 1;
        }
    }
}

/// What a token is asked for with.
struct TokenRequest<'a> {
    repository: &'a Repository,
    realm: &'a str,
    service: &'a Option<String>,
    /// What the registry says must be allowed.
    scope: &'a Option<String>,
    /// What we know must be allowed.
    scopes: &'a [Scope],
    credential: Option<&'a Credential>,
}

impl TokenRequest<'_> {
    fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.0.as_str()).collect();
        for scope in self.scope.iter().flat_map(|scope| scope.split(' ')) {
            if !scope.is_empty() && !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    fn query(&self, url: &Url) -> Url {
        let mut url = url.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in self.scopes() {
                query.append_pair("scope", scope);
            }
            if let Some(Credential::Password { user, .. }) = self.credential {
                query.append_pair("account", user);
            }
        }
        url
    }

    /// OAuth2's exchange of a refresh token, as Docker's token servers take it.
    fn form(&self, token: &Secret) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("client_id", CLIENT_ID);
        if let Some(service) = self.service {
            form.append_pair("service", service);
        }
        form.append_pair("scope", &self.scopes().join(" "));
        form.append_pair("refresh_token", token.expose());
        form.finish()
    }
}

fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    secret_header(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    secret_header(format!("Bearer {token}"))
}

fn secret_header(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
