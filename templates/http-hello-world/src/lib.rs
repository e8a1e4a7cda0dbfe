use wstd::http::{Body, Error, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/" => home().await,
        _ => not_found().await,
    }
}

async fn home() -> Result<Response<Body>, Error> {
    Ok(Response::new("Hello from wasmCloud!\n".into()))
}

async fn not_found() -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(StatusCode::NOT_FOUND)
        .body("Not found\n".into())?;
    Ok(response)
}
