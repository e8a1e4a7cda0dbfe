//! Where a request goes, read from its URL once.
//!
//! It resolves nothing and judges nothing.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use wasmtime_wasi_http::Error;

use crate::engine::allowed_hosts::{HttpScheme, RequestHost, parse_port};

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// The name as the guest wrote it: a final dot means something to a resolver.
    pub(super) name: String,
    uri: Uri,
    host_header: HeaderValue,
}

/// What requests have in common that may share a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) scheme: HttpScheme,
    pub(super) host: RequestHost,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
}

/// Which version of HTTP a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// HTTP/1.1, or HTTP/2 where the server chooses it while TLS is set up.
    Usual,
    /// HTTP/2 from the first byte, without TLS.
    PriorKnowledge,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        if request.method() == Method::CONNECT {
            // It would make a tunnel, in which nothing could be judged.
            return Err(Error::HttpRequestMethodInvalid);
        }
        let uri = request.uri();
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?.as_str();
        let scheme = uri.scheme_str().and_then(HttpScheme::parse).ok_or(Error::HttpRequestUriInvalid)?;
        let (host, port) = split(authority).ok_or(Error::HttpRequestUriInvalid)?;
        let is_grpc = scheme == HttpScheme::Http && is_grpc(request.headers());
        Ok(Self {
            origin: Origin {
                scheme,
                host: RequestHost::parse(host).ok_or(Error::HttpRequestUriInvalid)?,
                port: port.unwrap_or(scheme.default_port()),
                protocol: if is_grpc { Protocol::PriorKnowledge } else { Protocol::Usual },
            },
            name: host.to_string(),
            host_header: HeaderValue::from_str(authority).map_err(|_| Error::HttpRequestUriInvalid)?,
            uri: uri.clone(),
        })
    }

    /// Gives a request the form that HTTP/1.1 has for it.
    pub(super) fn write_http1<B>(&self, request: &mut Request<B>) {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() =
            Uri::from(self.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        request.headers_mut().insert(header::HOST, self.host_header.clone());
    }

    /// Gives a request the form that HTTP/2 has for it.
    pub(super) fn write_http2<B>(&self, request: &mut Request<B>) {
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().remove(header::HOST);
    }
}

/// Host and port of an authority; `None` where there is more in it, or less.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    // RFC 9110, section 4.2.4: what stands before an `@` is there to deceive.
    if authority.contains('@') {
        return None;
    }
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    match port.strip_prefix(':') {
        Some(port) => parse_port(port).map(|port| (host, Some(port))),
        None => port.is_empty().then_some((host, None)),
    }
}

/// gRPC needs HTTP/2, also where no TLS is there to negotiate it. gRPC-Web does not.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return false };
    content_type
        .as_bytes()
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Option<String> {
        let request = Request::get(url).body(()).ok()?;
        let Origin { host, port, .. } = Target::of(&request).ok()?.origin;
        Some(match host {
            RequestHost::Address(address) => format!("{address} {port}"),
            RequestHost::Domain(name) => format!("{name} {port}"),
        })
    }

    #[test]
    fn a_url_names_one_host_and_one_port_or_nothing() {
        for (url, expected) in [
            ("http://Example.com", Some("example.com 80")),
            ("https://example.com.", Some("example.com 443")),
            ("https://example.com:8443/path:1", Some("example.com 8443")),
            ("http://[::1]:8000/", Some("::1 8000")),
            ("http://[::1]/", Some("::1 80")),
            ("http://127.0.0.1/", Some("127.0.0.1 80")),
            ("http://allowed.example@evil.example/", None),
            ("http://allowed.example:80@evil.example/", None),
            ("http://example.com:65536/", None),
            ("http://example.com:0/", None),
            ("http://example.com:/", None),
            ("http://a..b/", None),
            ("http://ex%61mple.com/", None),
            ("http://[127.0.0.1]/", None),
            ("ftp://example.com/", None),
            ("/path", None),
        ] {
            assert_eq!(target(url).as_deref(), expected, "{url}");
        }
        assert!(Target::of(&Request::connect("http://example.com/").body(()).unwrap()).is_err());
    }

    #[test]
    fn grpc_is_known_by_its_type() {
        for (content_type, expected) in [
            ("application/grpc", Protocol::PriorKnowledge),
            ("application/grpc+proto", Protocol::PriorKnowledge),
            ("application/grpc;x", Protocol::PriorKnowledge),
            ("application/grpc-web", Protocol::Usual),
            ("text/plain", Protocol::Usual),
        ] {
            let request = |url| Request::post(url).header("content-type", content_type).body(()).unwrap();
            assert_eq!(Target::of(&request("http://a/")).unwrap().origin.protocol, expected, "{content_type}");
            assert_eq!(Target::of(&request("https://a/")).unwrap().origin.protocol, Protocol::Usual);
        }
    }
}
