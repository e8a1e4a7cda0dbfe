//! The page at `/__wash/`: what is served, what was asked, what guests and builds have printed, as it happens.
//!
//! Only for browsers on this machine that were sent here by this machine's own name: a page from elsewhere cannot have its
//! name lead here and read along. It takes nothing but GET, shows nothing but text, and loads nothing from elsewhere.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use wash_runtime::host::http::{OwnBody, OwnPages};

use crate::report::{Feed, FeedItem};

/// Where the page is; components see no request for what is below.
pub(crate) const PATH: &str = "/__wash/";

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a browser may load: what comes from here, and no more.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How often something is sent where nothing happens, so that a browser that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The pages of one program.
pub(crate) struct Pages {
    feed: Arc<Feed>,
}

impl Pages {
    pub(crate) fn new(feed: Arc<Feed>) -> Arc<Self> {
        Arc::new(Self { feed })
    }

    fn events(&self) -> Response<OwnBody> {
        let Some((past, receiver)) = self.feed.subscribe() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the server stops");
        };
        let state = EventStream { past: past.into(), receiver };
        let body = StreamBody::new(stream::unfold(state, EventStream::next));
        respond(StatusCode::OK, "text/event-stream", body.boxed_unsync())
    }
}

impl OwnPages for Pages {
    fn answer(&self, request: &Parts, peer: SocketAddr) -> Option<Response<OwnBody>> {
        let path = request.uri.path();
        let name = path.strip_prefix(PATH);
        if name.is_none() && path != PATH.trim_end_matches('/') {
            return None;
        }
        if !peer.ip().to_canonical().is_loopback() || !names_this_machine(request) {
            return Some(text(StatusCode::FORBIDDEN, "this page is for browsers on the machine that serves it"));
        }
        if request.method != Method::GET {
            return Some(text(StatusCode::METHOD_NOT_ALLOWED, "this page can only be read"));
        }
        Some(match name {
            None => redirect(),
            Some("") => asset("text/html; charset=utf-8", HTML),
            Some("page.css") => asset("text/css; charset=utf-8", STYLE),
            Some("page.js") => asset("text/javascript; charset=utf-8", SCRIPT),
            Some("events") => self.events(),
            Some(_) => text(StatusCode::NOT_FOUND, "there is no such page"),
        })
    }
}

/// Whether the request was meant for a name that no other machine can have.
fn names_this_machine(request: &Parts) -> bool {
    let header = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = request.uri.authority().map(http::uri::Authority::as_str).or(header) else { return false };
    let Ok(authority) = authority.parse::<http::uri::Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// What has happened, and then what happens.
struct EventStream {
    past: VecDeque<FeedItem>,
    receiver: broadcast::Receiver<FeedItem>,
}

impl EventStream {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        if let Some(item) = self.past.pop_front() {
            let end = if self.past.is_empty() { "event: now\ndata: {}\n\n" } else { "" };
            return Some((Ok(frame(format!("event: past\ndata: {item}\n\n{end}"))), self));
        }
        let text = tokio::select! {
            item = self.receiver.recv() => match item {
                Ok(item) => format!("data: {item}\n\n"),
                // The browser connects anew, and gets all that is known.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            },
            () = tokio::time::sleep(KEEP_ALIVE) => ":\n\n".to_owned(),
        };
        Some((Ok(frame(text)), self))
    }
}

fn frame(text: String) -> Frame<Bytes> {
    Frame::data(Bytes::from(text))
}

fn asset(kind: &'static str, content: &'static str) -> Response<OwnBody> {
    respond(StatusCode::OK, kind, Full::from(content).boxed_unsync())
}

fn text(status: StatusCode, message: &str) -> Response<OwnBody> {
    respond(status, "text/plain; charset=utf-8", Full::from(format!("{message}\n")).boxed_unsync())
}

fn redirect() -> Response<OwnBody> {
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "the page is at /__wash/");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(PATH));
    response
}

fn respond(status: StatusCode, kind: &'static str, body: OwnBody) -> Response<OwnBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uri: &str, host: &str, peer: &str, method: &str) -> Option<u16> {
        let pages = Pages::new(Arc::default());
        let request = http::Request::builder().method(method).uri(uri).header(HOST, host).body(()).unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 50000);
        pages.answer(&request.into_parts().0, peer).map(|response| response.status().as_u16())
    }

    #[test]
    fn only_this_machine_by_its_own_name_may_read() {
        let at = |host: &str, peer: &str| status("/__wash/", host, peer, "GET");
        for host in ["localhost", "localhost:8000", "app.localhost:1", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST."] {
            assert_eq!(at(host, "127.0.0.1"), Some(200), "{host}");
            assert_eq!(at(host, "::ffff:127.0.0.1"), Some(200), "{host}");
            assert_eq!(at(host, "192.0.2.1"), Some(403), "{host}");
            assert_eq!(at(host, "::ffff:192.0.2.1"), Some(403), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.1", "", "a b", "notlocalhost"]
        {
            assert_eq!(at(host, "127.0.0.1"), Some(403), "{host}");
        }
        // What a request names in its first line comes before the header.
        assert_eq!(status("http://evil.example/__wash/", "localhost", "::1", "GET"), Some(403));
    }

    #[test]
    fn components_keep_all_other_paths() {
        let at = |path: &str, method: &str| status(path, "localhost", "::1", method);
        for path in ["/", "/__wash_", "/__washing", "/x/__wash/", "/__WASH/"] {
            assert_eq!(at(path, "GET"), None, "{path}");
        }
        assert_eq!(at("/__wash", "GET"), Some(308));
        assert_eq!(at("/__wash/page.js", "GET"), Some(200));
        assert_eq!(at("/__wash/../secret", "GET"), Some(404));
        assert_eq!(at("/__wash/", "POST"), Some(405));
    }
}
