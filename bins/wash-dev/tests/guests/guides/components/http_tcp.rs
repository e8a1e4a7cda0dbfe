//! The service guide's API: passes what it is asked on to the service, by TCP.

use wstd::http::{Body, Request, Response, StatusCode};
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::net::TcpStream;

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "tcp-build-00";

#[wstd::http_server]
async fn main(req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    let (status, body) = match ask(req.uri().path().trim_start_matches('/')).await {
        Ok(text) => (StatusCode::OK, text),
        Err(err) => (StatusCode::BAD_GATEWAY, err.to_string()),
    };
    Ok(Response::builder().status(status).header("x-build", BUILD).body(body.into())?)
}

async fn ask(text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect("127.0.0.1:7777").await?;
    stream.write_all(format!("{text}\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let mut buffer = [0; 256];
    while !answer.ends_with(b"\n") {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
