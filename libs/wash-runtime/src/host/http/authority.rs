//! Which host a request is for, as RFC 9112, section 3.2 has it.
//!
//! It checks form only; whether that host is served here is the router's business.

use std::net::SocketAddr;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Uri, Version};
use thiserror::Error;

use super::connection::ConnectionInfo;

/// Why a request names no host.
#[derive(Debug, Error, Eq, PartialEq)]
pub(super) enum BadAuthority {
    #[error("the request has no Host header")]
    Missing,
    #[error("the request has more than one Host header")]
    Several,
    #[error("the request's Host header is malformed")]
    Malformed,
}

/// Puts scheme and authority into the request's URI, where a guest's host expects them.
pub(super) fn complete(parts: &mut Parts, connection: &ConnectionInfo) -> Result<(), BadAuthority> {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.clone(),
        None => from_header(parts, connection.local)?,
    };
    if authority.as_str().contains('@') {
        return Err(BadAuthority::Malformed);
    }
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(connection.scheme.clone());
    uri.authority = Some(authority);
    uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from_parts(uri).map_err(|_| BadAuthority::Malformed)?;
    Ok(())
}

fn from_header(parts: &Parts, local: SocketAddr) -> Result<Authority, BadAuthority> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let text = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.as_bytes(),
        (Some(_), Some(_)) => return Err(BadAuthority::Several),
        // HTTP/1.0 knew no Host header.
        (None, _) if parts.version < Version::HTTP_11 => return authority(local.to_string().as_bytes()),
        (None, _) => return Err(BadAuthority::Missing),
    };
    authority(text)
}

fn authority(text: &[u8]) -> Result<Authority, BadAuthority> {
    Authority::try_from(text).map_err(|_| BadAuthority::Malformed)
}

#[cfg(test)]
mod tests {
    use http::uri::Scheme;

    use super::*;

    fn completed(version: Version, target: &str, hosts: &[&str]) -> Result<String, BadAuthority> {
        let mut request = http::Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let connection = ConnectionInfo {
            local: "127.0.0.1:8000".parse().unwrap(),
            peer: "127.0.0.1:50000".parse().unwrap(),
            scheme: Scheme::HTTP,
            own_pages: None,
        };
        complete(&mut parts, &connection)?;
        Ok(parts.uri.to_string())
    }

    #[test]
    fn the_uri_is_absolute_or_the_request_is_refused() {
        use BadAuthority::{Malformed, Missing, Several};
        let (http_10, http_11, http_2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (version, target, hosts, expected) in [
            (http_11, "/a?b=c", vec!["example.com:81"], Ok("http://example.com:81/a?b=c")),
            (http_11, "/", vec!["[::1]:8000"], Ok("http://[::1]:8000/")),
            (http_11, "http://one.example/x", vec!["two.example"], Ok("http://one.example/x")),
            (http_2, "http://example.com/x", vec![], Ok("http://example.com/x")),
            (http_10, "/x", vec![], Ok("http://127.0.0.1:8000/x")),
            (http_11, "/x", vec![], Err(Missing)),
            (http_2, "/x", vec![], Err(Missing)),
            (http_11, "/x", vec!["a", "b"], Err(Several)),
            (http_11, "/x", vec![""], Err(Malformed)),
            (http_11, "/x", vec!["a b"], Err(Malformed)),
            (http_11, "/x", vec!["user@example.com"], Err(Malformed)),
            (http_11, "/x", vec!["example.com/path"], Err(Malformed)),
            (http_11, "/x", vec!["caf\u{e9}"], Err(Malformed)),
        ] {
            assert_eq!(
                completed(version, target, &hosts),
                expected.map(str::to_string),
                "{version:?} {target} {hosts:?}"
            );
        }
    }
}
