//! The messaging guide's API: takes a task by HTTP and hands it to a worker by message.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "http-api", generate_all });
}

use bindings::wasmcloud::messaging::consumer;
use serde_json::Value;
use wstd::http::{Body, Request, Response, StatusCode};

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "api-build-00";

#[wstd::http_server]
async fn main(mut req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    if req.uri().path() != "/task" {
        return answer(StatusCode::NOT_FOUND, "Not found\n".to_owned());
    }
    let body = req.body_mut().contents().await?.to_vec();
    let task: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(payload) = task["payload"].as_str() else {
        return answer(StatusCode::BAD_REQUEST, "no payload\n".to_owned());
    };
    let subject = format!("tasks.{}", task["worker"].as_str().unwrap_or("default"));
    match consumer::request(&subject, payload.as_bytes(), 5_000) {
        Ok(reply) => answer(StatusCode::OK, String::from_utf8_lossy(&reply.body).into_owned()),
        Err(err) => answer(StatusCode::BAD_GATEWAY, err),
    }
}

fn answer(status: StatusCode, body: String) -> Result<Response<Body>, wstd::http::Error> {
    Ok(Response::builder().status(status).header("x-build", BUILD).body(body.into())?)
}
