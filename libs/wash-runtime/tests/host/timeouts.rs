//! Clients that are slow, or send too much, or are too many.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{
    Answer, Connection, Http2, TestHost, chunked, chunked_echo, get, next_chunk, raw, read_until, within_patience,
};

/// Short enough for a test, long enough for what must not be cut off on a busy machine.
const SHORT: Duration = Duration::from_millis(300);

/// Waits until the server has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset closes it as well.
    _ = within_patience(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_does_not_hold_its_connection() {
    let host = TestHost::serving_probe(|server| server.with_header_timeout(SHORT)).await;
    for first in ["", "GET /print HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let (mut reader, mut writer) = TcpStream::connect(host.address).await.unwrap().into_split();
        writer.write_all(first.as_bytes()).await.unwrap();
        let writing = tokio::spawn(async move {
            for byte in b"GET /print HTTP/1.1\r\nx-long: ".iter().chain(std::iter::repeat(&b'x')) {
                if writer.write_all(&[*byte]).await.is_err() {
                    return;
                }
                // This is how slow the client is.
                tokio::time::sleep(SHORT / 20).await;
            }
        });
        let mut response = Vec::new();
        _ = within_patience(reader.read_to_end(&mut response)).await;
        assert_eq!(String::from_utf8_lossy(&response).contains("printed"), !first.is_empty());
        writing.abort();
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let host = TestHost::serving_probe(|server| server.with_idle_timeout(SHORT)).await;
    let mut busy = host.connect().await;
    let (chunks, request) = chunked_echo();
    chunks.send("one").unwrap();
    let mut response = busy.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");

    let mut idle = TcpStream::connect(host.address).await.unwrap();
    idle.write_all(b"GET /print HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut idle, "printed").await;
    closed(&mut idle).await;
    let mut idle = Http2::open(host.address).await;
    assert_eq!(idle.get("/print").await, Answer::ok("printed"));
    // Requests in a row would keep it busy.
    within_patience(async {
        while idle.send(get("http://test.example/version")).await.is_ok() {
            tokio::time::sleep(2 * SHORT).await;
        }
    })
    .await;

    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_refused() {
    let mut host = TestHost::serving_probe(|server| server.with_body_timeout(SHORT)).await;
    let mut connection = host.connect().await;
    let (chunks, request) = chunked("/length");
    chunks.send("one").unwrap();
    let answer = Answer::of(connection.send(request).await.unwrap()).await.unwrap();
    assert_eq!(answer, Answer { status: 408, body: "the request's body paused for too long\n".to_string() });
    drop(chunks);
    // A body that goes on is not cut off however long it takes.
    host.output.entered(1).await;
    let (chunks, request) = chunked("/length");
    let sending = tokio::spawn(async move { host.connect().await.send(request).await });
    for _ in 0..8 {
        chunks.send("12345").unwrap();
        tokio::time::sleep(SHORT / 4).await;
    }
    drop(chunks);
    let response = within_patience(sending).await.unwrap().unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("40"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let host = TestHost::serving_probe(|server| server.with_max_body_size(10)).await;
    let refused = Answer { status: 413, body: "the request's body is larger than 10 bytes\n".to_string() };
    for (body, expected) in [("1234567890", Answer::ok("10")), ("12345678901", refused)] {
        // Its size is known from the head.
        let request = || Request::post("http://test.example/length").header("host", "a").body(Full::from(body));
        let response = host.connect().await.send(request().unwrap()).await.unwrap();
        assert_eq!(Answer::of(response).await.unwrap(), expected, "{body}");
        let response = Http2::open(host.address).await.send(request().unwrap()).await.unwrap();
        assert_eq!(Answer::of(response).await.unwrap(), expected, "{body}");
        // It becomes known on the way.
        let (chunks, request) = chunked("/length");
        let (one, other) = body.split_at(5);
        chunks.send(one).unwrap();
        chunks.send(other).unwrap();
        drop(chunks);
        let response = host.connect().await.send(request).await.unwrap();
        assert_eq!(Answer::of(response).await.unwrap(), expected, "{body}");
    }
    // No guest was asked about a body whose head promised too much, and a client that sends it all gets its answer.
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let body = "x".repeat(4 << 20);
    let head = format!("POST /trap HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    _ = within_patience(stream.write_all(body.as_bytes())).await;
    let response = read_until(&mut stream, "bytes\n").await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let host = TestHost::serving_probe(|server| server.with_max_header_size(1024).with_max_headers(10)).await;
    let long = format!("x-long: {}\r\n", "x".repeat(2000));
    let many: String = (0..20).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (headers, status) in [("", 200), (&long, 431), (&many, 431)] {
        let request = format!("GET /print HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
        let response = raw(host.address, &request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
    let mut connection = Http2::open(host.address).await;
    let request = Request::get("http://test.example/print").header("x-long", "x".repeat(2000));
    if let Ok(response) = connection.send(request.body(Empty::new()).unwrap()).await {
        assert_eq!(response.status(), 431);
    }
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_connection() {
    let host = TestHost::serving_probe(|server| server.with_write_timeout(SHORT)).await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut stream, "xxx").await;
    // The stop waits for the guest, which ends only with its connection: nothing else would end it.
    host.end("probe").await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_stream_and_no_other() {
    let host = TestHost::serving_probe(|server| server.with_write_timeout(SHORT)).await;
    let mut connection = Http2::open(host.address).await;
    let request = Request::get("http://test.example/flood").body(Empty::new()).unwrap();
    let stalled = connection.send(request).await.unwrap();
    let (chunks, request) = chunked("http://test.example/echo");
    let mut other = connection.send(request).await.unwrap();
    chunks.send("one").unwrap();
    assert_eq!(next_chunk(other.body_mut()).await, "one");
    drop(chunks);
    assert_eq!(within_patience(other.into_body().collect()).await.unwrap().to_bytes(), "");
    // The stop waits for the guest, which ends only with its stream: nothing else would end it.
    host.end("probe").await;
    let whole = within_patience(stalled.into_body().collect()).await;
    assert!(whole.is_err(), "the response should not look whole");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let host = TestHost::serving_probe(|server| server.with_connection_limit(2)).await;
    let (mut one, mut two) = (host.connect().await, host.connect().await);
    assert_eq!(one.get("/print").await, Answer::ok("printed"));
    assert_eq!(two.get("/print").await, Answer::ok("printed"));
    let mut three = Connection::open(host.address).await;
    let waiting = tokio::spawn(async move { three.get("/print").await });
    for _ in 0..10 {
        assert_eq!(one.get("/print").await, Answer::ok("printed"));
        assert_eq!(two.get("/print").await, Answer::ok("printed"));
    }
    assert!(!waiting.is_finished());
    drop(one);
    assert_eq!(within_patience(waiting).await.unwrap(), Answer::ok("printed"));
}

#[tokio::test]
async fn two_thousand_idle_connections_keep_nobody_waiting() {
    // Both ends of each connection are in this process.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let host = TestHost::serving_probe(|server| server.with_connection_limit(4000)).await;
    let address = host.address;
    let mut opening = JoinSet::new();
    for number in 0..2000 {
        opening.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"GET /print HTT").await.unwrap();
            }
            stream
        });
    }
    let idle = opening.join_all().await;
    let mut connection = host.connect().await;
    for _ in 0..20 {
        assert_eq!(connection.get("/print").await, Answer::ok("printed"));
        assert_eq!(host.get("/print").await, Answer::ok("printed"));
    }
    drop(idle);
    within_patience(host.host.stop()).await.unwrap();
}
