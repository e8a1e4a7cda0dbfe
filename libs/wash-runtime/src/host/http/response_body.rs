//! A response's body, watched: its request is in flight until it is gone, and a stream learns when its client stalls.
//!
//! It changes nothing of what is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::Error;

use super::control::InFlight;
use super::response::ResponseBody;
use super::streams;

/// A body with its request's place among those in flight.
pub(super) struct Watched {
    body: ResponseBody,
    _in_flight: InFlight,
}

impl Watched {
    pub(super) fn join(response: Response<ResponseBody>, in_flight: InFlight) -> Response<Self> {
        response.map(|body| Self { body, _in_flight: in_flight })
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        streams::has_polled(&frame);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
