//! A component that stands before another one's HTTP handler, and lets some requests through.

use std::io::Write;

wit_bindgen::generate!({
    path: "wit",
    world: "gate",
    with: {
        "wasi:http/types@0.2.12": wasip2::http::types,
        "wasi:http/incoming-handler@0.2.12": generate,
    },
});

use wasi::http::incoming_handler;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Gate;

impl wasip2::exports::http::incoming_handler::Guest for Gate {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        if request.path_with_query().is_some_and(|path| path.starts_with("/forbidden")) {
            let response = OutgoingResponse::new(Fields::new());
            response.set_status_code(403).unwrap();
            let body = response.body().unwrap();
            ResponseOutparam::set(response_out, Ok(response));
            body.write().unwrap().write_all(b"forbidden").unwrap();
            OutgoingBody::finish(body, None).unwrap();
        } else {
            incoming_handler::handle(request, response_out);
        }
    }
}

wasip2::http::proxy::export!(Gate);
