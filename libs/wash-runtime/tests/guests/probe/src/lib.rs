//! A component for the host's tests: each path is one way to behave or to misbehave.
//!
//! Before it does what takes long it prints `entered`, so that a test can wait for that.

use std::convert::Infallible;
use std::env;
use std::hint::black_box;

use wstd::http::body::{Bytes, Frame};
use wstd::http::{Body, Client, Error, Request, Response, StatusCode};
use wstd::time::Duration;

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/version" => text(env::var("VERSION").unwrap_or_default()),
        "/uri" => text(request.uri().to_string()),
        "/echo" => Ok(Response::builder()
            .header("x-version", env::var("VERSION").unwrap_or_default())
            .body(request.into_body())?),
        "/fetch" => fetch(request).await,
        "/trap" => panic!("told to"),
        "/exit" => std::process::exit(1),
        "/error" => Err(Error::msg("told to")),
        "/stream-forever" => Ok(Response::new(Body::from_http_body(Endless { then: Then::GoOn, chunks: 0 }))),
        "/stream-and-trap" => Ok(Response::new(Body::from_http_body(Endless { then: Then::Trap, chunks: 0 }))),
        "/never" => {
            println!("entered");
            wstd::task::sleep(Duration::from_secs(1 << 30)).await;
            text("overslept".to_string())
        }
        "/sleep" => {
            wstd::task::sleep(Duration::from_secs(1)).await;
            text("slept".to_string())
        }
        "/spin" => {
            println!("entered");
            let mut turns = 0_u64;
            loop {
                turns = black_box(turns.wrapping_add(1));
            }
        }
        "/print" => {
            println!("to standard output");
            eprintln!("to standard error");
            text("printed".to_string())
        }
        "/grow" => {
            let mebibytes: usize = request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(0);
            let grown = Vec::<u8>::new().try_reserve_exact(black_box(mebibytes) << 20);
            text(if grown.is_ok() { "grown" } else { "refused" }.to_string())
        }
        "/length" => length(request.into_body()).await,
        "/status" => {
            let status = request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(0);
            Ok(Response::builder().status(StatusCode::from_u16(status)?).body(Body::empty())?)
        }
        "/flood" => Ok(Response::new(Body::from_http_body(Endless { then: Then::Flood, chunks: 0 }))),
        "/trailers" => Ok(Response::builder().header("trailer", "x-end").body(request.into_body())?),
        _ => Ok(Response::builder().status(StatusCode::NOT_FOUND).body("not found".to_string().into())?),
    }
}

fn text(text: String) -> Result<Response<Body>, Error> {
    Ok(Response::new(text.into()))
}

/// Reads a body to its end and says how long it was.
async fn length(mut body: Body) -> Result<Response<Body>, Error> {
    println!("entered");
    match body.contents().await {
        Ok(contents) => text(contents.len().to_string()),
        Err(err) => Ok(Response::builder().status(StatusCode::BAD_GATEWAY).body(format!("{err:?}").into())?),
    }
}

/// Gets the URL in the header `x-target` and passes on what comes back.
async fn fetch(request: Request<Body>) -> Result<Response<Body>, Error> {
    let target = request.headers().get("x-target").ok_or_else(|| Error::msg("no x-target"))?.to_str()?;
    match Client::new().send(Request::get(target).body(Body::empty())?).await {
        Ok(response) => Ok(response.map(|body| body)),
        Err(err) => Ok(Response::builder().status(StatusCode::BAD_GATEWAY).body(format!("{err:?}").into())?),
    }
}

/// A body that goes on until something happens.
struct Endless {
    then: Then,
    chunks: usize,
}

enum Then {
    GoOn,
    /// In larger chunks.
    Flood,
    /// After the second chunk.
    Trap,
}

impl wstd::http::body::HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.chunks += 1;
        if matches!(self.then, Then::Trap) && self.chunks > 2 {
            panic!("told to");
        }
        let chunk: &[u8] = if matches!(self.then, Then::Flood) { &[b'x'; 1 << 16] } else { b"chunk" };
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk)))))
    }
}

/// Runs when an instance starts, before any request.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    if env::var_os("TRAP_AT_START").is_some() {
        panic!("told to");
    }
    if env::var_os("SPIN_AT_START").is_some() {
        loop {
            black_box(());
        }
    }
}
