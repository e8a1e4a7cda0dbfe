//! The tutorial's component in its last step: greets by name, and counts how often.

wit_bindgen::generate!({ path: "wit", world: "counter", generate_all });

use wasi::keyvalue::{atomics, store};
use wstd::http::{Body, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    match req.uri().path() {
        "/" => home(req).await,
        _ => Ok(Response::builder().status(StatusCode::NOT_FOUND).body("Not found\n".to_owned().into())?),
    }
}

async fn home(req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    let query = req.uri().query().unwrap_or("");
    let name = match query.split("=").collect::<Vec<_>>()[..] {
        ["name", name] => name,
        _ => "World",
    };
    let bucket = store::open("").map_err(|err| wstd::http::Error::msg(format!("keyvalue open error: {err:?}")))?;
    let count = atomics::increment(&bucket, name, 1)
        .map_err(|err| wstd::http::Error::msg(format!("keyvalue increment error: {err:?}")))?;
    Ok(Response::new(format!("Hello x{count}, {name}!\n").into()))
}
