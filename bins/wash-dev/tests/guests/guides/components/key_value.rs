//! The key-value guide: stores and finds values.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "key-value", generate_all });
}

use bindings::wasi::keyvalue::store::{Error, open};
use serde_json::Value;
use wstd::http::{Body, Method, Request, Response, StatusCode};

const BACKEND: &str = "in_memory";

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "values-build-00";

#[wstd::http_server]
async fn main(mut req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    let (method, query) = (req.method().clone(), req.uri().query().unwrap_or_default().to_owned());
    let body = req.body_mut().contents().await?.to_vec();
    let result = match method {
        Method::POST => post(&body),
        Method::GET => get(&query),
        _ => Ok((StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n".to_owned())),
    };
    let (status, text) = result.unwrap_or_else(|err| (StatusCode::INTERNAL_SERVER_ERROR, format!("{err:?}\n")));
    Ok(Response::builder().status(status).header("x-build", BUILD).body(text.into())?)
}

fn post(body: &[u8]) -> Result<(StatusCode, String), Error> {
    let payload: Value = serde_json::from_slice(body).unwrap_or_default();
    let (Some(key), Some(value)) = (payload["key"].as_str(), payload["value"].as_str()) else {
        return Ok((StatusCode::BAD_REQUEST, "invalid JSON\n".to_owned()));
    };
    open(BACKEND)?.set(key, value.as_bytes())?;
    Ok((StatusCode::OK, format!("[{BACKEND}] Stored '{key}'\n")))
}

fn get(query: &str) -> Result<(StatusCode, String), Error> {
    let Some(key) = query.strip_prefix("key=") else {
        return Ok((StatusCode::BAD_REQUEST, "Missing required query parameter: key\n".to_owned()));
    };
    Ok(match open(BACKEND)?.get(key)? {
        Some(value) => (StatusCode::OK, format!("[{BACKEND}] {}\n", String::from_utf8_lossy(&value))),
        None => (StatusCode::NOT_FOUND, format!("[{BACKEND}] Key '{key}' not found\n")),
    })
}
