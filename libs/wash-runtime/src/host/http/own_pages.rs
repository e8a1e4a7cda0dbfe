//! Pages of the embedder itself, beside what its workloads answer.
//!
//! They come before every workload: an embedder keeps to paths that no component will miss, and decides itself who may
//! see them.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;

/// The body of such a page. One without an end has to end by itself when the host stops.
pub type OwnBody = UnsyncBoxBody<Bytes, Infallible>;

/// Answers some requests instead of a workload.
pub trait OwnPages: Send + Sync + 'static {
    /// The response to a request, if it is one for these pages. `peer` is the address at the other end of the
    /// connection. Called for every request, on threads that serve others too: it must not block.
    fn answer(&self, request: &Parts, peer: SocketAddr) -> Option<Response<OwnBody>>;
}
