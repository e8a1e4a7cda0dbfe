//! What the components have in common: responses from texts and chunks.

use std::pin::pin;

use wasip3::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wasip3::{wit_future, wit_stream};

/// What a handler returns.
pub type Answer = Result<Response, ErrorCode>;

/// A request's body and what comes after it.
pub type Body = (StreamReader<u8>, FutureReader<Result<Option<Trailers>, ErrorCode>>);

/// A response whose body is this text.
pub fn text(text: impl Into<String>) -> Answer {
    let text = text.into();
    streaming(async move |mut body| {
        body.write_all(text.into_bytes()).await;
    })
}

/// A response whose body is written while it is sent.
pub fn streaming(write: impl AsyncFnOnce(StreamWriter<u8>) + 'static) -> Answer {
    let (writer, reader) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(Fields::new(), Some(reader), no_trailers);
    wasip3::spawn_local(write(writer));
    Ok(response)
}

/// A request's body.
pub fn body(request: Request) -> Body {
    let (_result, read) = wit_future::new(|| Ok(()));
    Request::consume_body(request, read)
}

/// The next chunk of a body, if there is one.
pub async fn chunk(body: &mut StreamReader<u8>) -> Option<Vec<u8>> {
    let read = pin!(body.read(Vec::with_capacity(16 * 1024)));
    match read.await {
        (StreamResult::Complete(_), bytes) => Some(bytes),
        (StreamResult::Dropped | StreamResult::Cancelled, bytes) if bytes.is_empty() => None,
        (_, bytes) => Some(bytes),
    }
}

/// The variable's value, or nothing.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
