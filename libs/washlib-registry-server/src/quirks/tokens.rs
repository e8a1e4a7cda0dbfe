//! Bearer tokens and the place that gives them out.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/> and `/oauth/` beside it. Tokens are random: a client
//! that looks into them finds nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::api::body::ReplyBody;
use crate::api::refusal::{Code, Refusal};
use crate::api::route::{Query, Route};
use crate::server::basic;

pub(super) const PATH: &str = "/token";
const SERVICE: &str = "test-registry";

/// Which field a token comes in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenField {
    /// `token` and `access_token`.
    #[default]
    Both,
    /// `token` alone, as the first registries had it.
    Token,
    /// `access_token` alone, as OAuth 2 has it.
    AccessToken,
}

/// Who gets tokens, and what they are good for. Each is good for what it was asked for, and nothing else.
#[derive(Clone, Debug)]
#[must_use]
pub struct Tokens {
    user: String,
    password: String,
    lets_anonymous_pull: bool,
    lifetime: Option<Duration>,
    field: TokenField,
    refresh_token: Option<String>,
}

impl Tokens {
    /// Tokens for one user; nobody else gets any.
    pub fn for_user(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            lets_anonymous_pull: false,
            lifetime: None,
            field: TokenField::Both,
            refresh_token: None,
        }
    }

    /// Whoever says no name gets tokens to pull with.
    pub fn with_anonymous_pull(mut self) -> Self {
        self.lets_anonymous_pull = true;
        self
    }

    /// Tokens end after this time. By default they do not, and nothing is said about it.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Says which field tokens come in.
    pub fn with_field(mut self, field: TokenField) -> Self {
        self.field = field;
        self
    }

    /// An identity token, as credential helpers have it: `POST` with `grant_type=refresh_token` takes it.
    pub fn with_refresh_token(mut self, token: &str) -> Self {
        self.refresh_token = Some(token.to_owned());
        self
    }
}

/// A repository and what may be done with it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Scope {
    repository: String,
    actions: Vec<String>,
}

impl Scope {
    /// `repository:hello:pull,push`
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("repository:")?;
        let (repository, actions) = rest.rsplit_once(':')?;
        let actions = actions.split(',').map(str::to_owned).collect();
        Some(Self { repository: repository.to_owned(), actions })
    }

    fn parse_all(texts: impl Iterator<Item = String>) -> Vec<Self> {
        let texts: Vec<String> = texts.collect();
        texts.iter().flat_map(|text| text.split(' ')).filter_map(Self::parse).collect()
    }

    fn allows(&self, needed: &Self) -> bool {
        let has = |action: &String| self.actions.iter().any(|own| own == action || own == "*");
        self.repository == needed.repository && needed.actions.iter().all(has)
    }
}

#[derive(Debug)]
struct Issued {
    scopes: Vec<Scope>,
    ends: Option<Instant>,
}

/// The tokens that were given out.
#[derive(Debug)]
pub(super) struct Issuer {
    rules: Tokens,
    issued: HashMap<String, Issued>,
}

/// Who asks for a token.
enum Asker {
    User,
    Nobody,
    Stranger,
}

impl Issuer {
    pub(super) fn new(rules: Tokens) -> Self {
        Self { rules, issued: HashMap::new() }
    }

    /// Lets no token be good any more.
    pub(super) fn revoke(&mut self) {
        self.issued.clear();
    }

    /// Checks a request's token. The challenge says where to get the right one.
    pub(super) fn admit(&self, head: &Parts, realm: &str) -> Result<(), Refusal> {
        let needed = needed(head);
        let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let issued = token.and_then(|token| self.issued.get(token));
        let is_alive = |issued: &&Issued| issued.ends.is_none_or(|ends| ends > Instant::now());
        let allows = |issued: &Issued| {
            needed.as_ref().is_none_or(|needed| issued.scopes.iter().any(|scope| scope.allows(needed)))
        };
        let error = match (token, issued.filter(is_alive)) {
            (_, Some(issued)) if allows(issued) => return Ok(()),
            (_, Some(_)) => ",error=\"insufficient_scope\"",
            (Some(_), None) => ",error=\"invalid_token\"",
            (None, None) => "",
        };
        let scope = needed.map_or_else(String::new, |needed| {
            format!(",scope=\"repository:{}:{}\"", needed.repository, needed.actions.join(","))
        });
        let challenge = format!("Bearer realm=\"{realm}{PATH}\",service=\"{SERVICE}\"{scope}{error}");
        let challenge = HeaderValue::from_str(&challenge).expect("names of repositories have no special characters");
        Err(Refusal::new(Code::Unauthorized, "a token is needed").with_header(WWW_AUTHENTICATE, challenge))
    }

    /// Whether the request's token allows to read a repository: what a mount takes a blob from.
    pub(super) fn may_pull(&self, head: &Parts, repository: &str) -> bool {
        let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let needed = Scope { repository: repository.to_owned(), actions: vec!["pull".to_owned()] };
        let issued = token.and_then(|token| self.issued.get(token));
        issued.is_some_and(|issued| issued.scopes.iter().any(|scope| scope.allows(&needed)))
    }

    /// Gives out a token, or not. `form` is the body of a `POST`.
    pub(super) fn issue(&mut self, head: &Parts, form: &str) -> Result<Response<ReplyBody>, Refusal> {
        let (asker, scopes, is_oauth) = match head.method {
            Method::GET => (self.asker_of_headers(head), scopes(head.uri.query().unwrap_or_default()), false),
            Method::POST => (self.asker_of_form(form)?, scopes(form), true),
            _ => return Err(Refusal::method("GET, POST")),
        };
        let scopes: Vec<Scope> = match asker {
            Asker::User => scopes,
            Asker::Nobody if self.rules.lets_anonymous_pull => scopes.into_iter().map(only_pull).collect(),
            Asker::Nobody | Asker::Stranger => {
                return Err(Refusal::new(Code::Unauthorized, "user or password is wrong"));
            }
        };
        let token = Uuid::new_v4().simple().to_string();
        let ends = self.rules.lifetime.map(|lifetime| Instant::now() + lifetime);
        self.issued.insert(token.clone(), Issued { scopes, ends });
        Ok(self.token_document(&token, is_oauth))
    }

    fn asker_of_headers(&self, head: &Parts) -> Asker {
        let expected = format!("{}:{}", self.rules.user, self.rules.password);
        match basic(&head.headers) {
            Some(pair) if pair == expected.as_bytes() => Asker::User,
            None if !head.headers.contains_key(AUTHORIZATION) => Asker::Nobody,
            _ => Asker::Stranger,
        }
    }

    fn asker_of_form(&self, form: &str) -> Result<Asker, Refusal> {
        let form = Query::parse(Some(form));
        if form.get("client_id").is_none_or(str::is_empty) {
            let refusal = Refusal::new(Code::Unsupported, "client_id is missing");
            return Err(refusal.with_status(StatusCode::BAD_REQUEST));
        }
        let is_user = match form.get("grant_type") {
            Some("password") => {
                form.get("username") == Some(&self.rules.user) && form.get("password") == Some(&self.rules.password)
            }
            Some("refresh_token") => {
                let own = self.rules.refresh_token.as_deref();
                own.is_some() && form.get("refresh_token") == own
            }
            _ => false,
        };
        Ok(if is_user { Asker::User } else { Asker::Stranger })
    }

    fn token_document(&self, token: &str, is_oauth: bool) -> Response<ReplyBody> {
        let mut document = Map::new();
        if self.rules.field != TokenField::AccessToken && !is_oauth {
            document.insert("token".to_owned(), json!(token));
        }
        if self.rules.field != TokenField::Token || is_oauth {
            document.insert("access_token".to_owned(), json!(token));
        }
        if let Some(lifetime) = self.rules.lifetime {
            document.insert("expires_in".to_owned(), json!(lifetime.as_secs()));
        }
        let mut response = Response::new(ReplyBody::from(Value::Object(document).to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn scopes(query: &str) -> Vec<Scope> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    Scope::parse_all(pairs.filter(|(name, _)| name == "scope").map(|(_, value)| value.into_owned()))
}

fn only_pull(mut scope: Scope) -> Scope {
    scope.actions.retain(|action| action == "pull");
    scope
}

/// What a request needs; `None` where any token will do.
fn needed(head: &Parts) -> Option<Scope> {
    let route = Route::parse(head.uri.path()).ok()?;
    let actions: &[&str] = match head.method {
        Method::GET | Method::HEAD if !matches!(route, Route::Upload(..)) => &["pull"],
        Method::DELETE if !matches!(route, Route::Upload(..)) => &["delete"],
        _ => &["pull", "push"],
    };
    let repository = route.repository()?.as_str().to_owned();
    Some(Scope { repository, actions: actions.iter().map(|&action| action.to_owned()).collect() })
}

/// Reads the body of a `POST`, which is short.
pub(super) async fn form(mut body: Incoming) -> String {
    const LONGEST: usize = 64 * 1024;
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            text.extend_from_slice(data);
        }
        if text.len() > LONGEST {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
