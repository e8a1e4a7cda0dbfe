//! The finer points of HTTP: what it promises beyond a request and its response.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{
    Answer, Http2, TestHost, chunked, chunked_echo, get, next_chunk, raw, read_until, within_patience,
};

#[tokio::test]
async fn a_client_that_asks_is_told_to_continue_once_the_guest_wants_the_body() {
    let host = TestHost::running_probe().await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(head("/length").as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"12345").await.unwrap();
    let head_of_response = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head_of_response.starts_with("HTTP/1.1 200 "), "{head_of_response}");

    // A guest that answers without the body spares the client from sending it.
    let response = raw(host.address, &head("/version")).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[tokio::test]
async fn an_upgrade_is_not_accepted_and_the_connection_goes_on() {
    let host = TestHost::running_probe().await;
    let mut connection = host.connect().await;
    for protocol in ["websocket", "h2c"] {
        let mut request = get("/print");
        request.headers_mut().insert("upgrade", protocol.parse().unwrap());
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        let response = connection.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{protocol}");
        assert_eq!(Answer::of(response).await.unwrap().body, "printed");
    }
    for status in [100, 101, 103] {
        let answer = connection.get(&format!("/status?{status}")).await;
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert!(answer.body.contains("status"), "{}", answer.body);
    }
    assert_eq!(connection.get("/print").await, Answer::ok("printed"));
}

#[tokio::test]
async fn a_response_does_not_wait_for_the_rest_of_the_request() {
    let host = TestHost::running_probe().await;
    let (chunks, request) = chunked("/print");
    chunks.send("one").unwrap();
    let response = host.connect().await.send(request).await.unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("printed"));
    let (chunks, request) = chunked("/print");
    chunks.send("one").unwrap();
    let mut connection = Http2::open(host.address).await;
    let response = connection.send(absolute(request)).await.unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("printed"));
    assert_eq!(connection.get("/print").await, Answer::ok("printed"));
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_response() {
    let host = TestHost::running_probe().await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let body = "x".repeat(4 << 20);
    let head = format!("POST /print HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // It looks at the response only when it has sent everything.
    within_patience(stream.write_all(body.as_bytes())).await.unwrap();
    let response = read_until(&mut stream, "printed").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let host = TestHost::running_probe().await;
    let request = || {
        let trailers = HeaderMap::from_iter([("x-end".parse().unwrap(), "reached".parse().unwrap())]);
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
        let request = Request::post("/trailers").header("host", "test.example");
        // HTTP/1.1 announces trailers, and wants to be asked for them.
        let request = request.header("trailer", "x-end").header("te", "trailers");
        request.body(StreamBody::new(futures_util::stream::iter(frames))).unwrap()
    };
    let check = async |response: hyper::Result<http::Response<Incoming>>| {
        let body = within_patience(response.unwrap().into_body().collect()).await.unwrap();
        assert_eq!(body.trailers().and_then(|trailers| trailers.get("x-end")).unwrap(), "reached");
        assert_eq!(body.to_bytes(), "body");
    };
    check(host.connect().await.send(request()).await).await;
    check(Http2::open(host.address).await.send(absolute(request())).await).await;
}

#[tokio::test]
async fn many_requests_share_an_http2_connection() {
    let host = TestHost::running_probe().await;
    let connection = Http2::open(host.address).await;
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let mut connection = connection.clone();
        requests.spawn(async move {
            let body = number.to_string().repeat(10_000);
            let request = Request::post("http://test.example/echo").body(Full::from(body.clone())).unwrap();
            let answer = Answer::of(connection.send(request).await.unwrap()).await.unwrap();
            assert!(answer == Answer::ok(&body), "{number}");
        });
    }
    while let Some(request) = within_patience(requests.join_next()).await {
        request.unwrap();
    }
    assert_eq!(connection.clone().get("/uri").await, Answer::ok("http://test.example/uri"));
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_its_guest_along_and_spares_the_others() {
    let mut host = TestHost::running_probe().await;
    let mut connection = Http2::open(host.address).await;
    let (chunks, request) = chunked_echo();
    chunks.send("one").unwrap();
    let mut other = connection.send(absolute(request)).await.unwrap();
    let waiting = tokio::spawn({
        let mut connection = connection.clone();
        async move { connection.get("/never").await }
    });
    host.output.entered(1).await;
    waiting.abort();
    let mut streaming = connection.send(absolute(get("/stream-forever"))).await.unwrap();
    assert!(within_patience(streaming.body_mut().frame()).await.unwrap().is_ok());
    drop(streaming);
    assert_eq!(next_chunk(other.body_mut()).await, "one");
    chunks.send("two").unwrap();
    assert_eq!(next_chunk(other.body_mut()).await, "two");
    drop(chunks);
    // The stop waits for guests, so it ends only if the two have been ended.
    host.end("probe").await;
}

/// A request as HTTP/2 wants it.
fn absolute<B>(request: Request<B>) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("http://test.example{}", parts.uri).parse().unwrap();
    parts.headers.remove("host");
    Request::from_parts(parts, body)
}
