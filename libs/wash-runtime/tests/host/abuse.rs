//! Clients that speak HTTP in order to hurt: what two readers could read differently, and floods of HTTP/2 frames.
//!
//! Each case ends in an answer or the end of that client's connection, and others are served meanwhile.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TestHost, raw, within_patience};

/// A request that two servers in a row could take for two different ones is refused, or the connection ends with it:
/// whatever follows is never taken for a request of its own.
#[tokio::test]
async fn no_request_is_smuggled() {
    let host = TestHost::running_probe().await;
    let smuggled = "GET /version HTTP/1.1\r\nhost: smuggled\r\n\r\n";
    for head in [
        format!("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("content-length: 5\r\ncontent-length: 50\r\n\r\nhello{smuggled}"),
        format!("content-length: 5, 50\r\n\r\nhello{smuggled}"),
        format!("content-length: +5\r\n\r\nhello{smuggled}"),
        format!("content-length: 0x5\r\n\r\nhello{smuggled}"),
        format!("content-length: -1\r\n\r\n{smuggled}"),
        format!("content-length: 99999999999999999999\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: identity\r\n\r\n{smuggled}"),
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("content-length : 5\r\n\r\nhello{smuggled}"),
        format!("x: a\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n{smuggled}"),
        format!("x\0: a\r\n\r\n{smuggled}"),
        format!("x: a\0b\r\n\r\n{smuggled}"),
    ] {
        let request = format!("POST /length HTTP/1.1\r\nhost: a\r\n{head}");
        let response = raw_and_close(&host, request.as_bytes()).await;
        let answers: Vec<_> = response.match_indices("HTTP/1.1 ").map(|(at, _)| &response[at + 9..at + 12]).collect();
        assert!(answers.len() <= 1, "{head:?}: {response}");
        let refused = answers.iter().all(|status| status.starts_with(['4', '5']));
        assert!(refused || response.contains("\nconnection: close\r\n"), "{head:?}: {response}");
    }
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

/// Sends these bytes and no more, and returns what comes until the connection ends.
async fn raw_and_close(host: &TestHost, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    // Who is refused early may find the connection closed.
    _ = stream.write_all(bytes).await;
    _ = stream.shutdown().await;
    let mut response = Vec::new();
    _ = within_patience(stream.read_to_end(&mut response)).await;
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test]
async fn a_thousand_requests_in_one_breath_are_answered_in_order() {
    let host = TestHost::running_probe().await;
    let mut requests: String =
        (0..1_000).map(|number| format!("GET /uri?{number} HTTP/1.1\r\nhost: a\r\n\r\n")).collect();
    requests += "GET /print HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = raw(host.address, &requests).await;
    let mut rest = response.as_str();
    for number in 0..1_000 {
        let wanted = format!("http://a/uri?{number}");
        let at = rest.find(&wanted).unwrap_or_else(|| panic!("{number} is missing"));
        rest = &rest[at + wanted.len()..];
    }
    assert!(rest.ends_with("printed"), "{rest}");
}

#[tokio::test]
async fn lines_and_chunks_without_end_are_given_up() {
    let host = TestHost::running_probe().await;
    for start in [
        "GET /",
        "GET / HTTP/1.1\r\nhost: a\r\nx: ",
        "POST /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;",
        "POST /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
    ] {
        let sent = endless(&host, start.as_bytes(), &[b'a'; 4096]).await;
        assert!(sent < 16 << 20, "{start:?}: {sent} bytes were taken");
    }
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

/// Sends a beginning, then the same again and again until the server has had enough. Returns how much it took.
async fn endless(host: &TestHost, start: &[u8], again: &[u8]) -> usize {
    const FAR_TOO_MUCH: usize = 256 << 20;
    let stream = TcpStream::connect(host.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut sink = vec![0; 1 << 16];
        while reader.read(&mut sink).await.is_ok_and(|read| read > 0) {}
    });
    let mut sent = start.len();
    within_patience(async {
        if writer.write_all(start).await.is_err() {
            return;
        }
        while sent < FAR_TOO_MUCH && !reading.is_finished() && writer.write_all(again).await.is_ok() {
            sent += again.len();
        }
    })
    .await;
    sent
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113, section 6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection's beginning: preface and settings.
fn beginning() -> Vec<u8> {
    [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()
}

/// The head of `GET path`, without indexing (RFC 7541).
fn head(path: &str) -> Vec<u8> {
    let text = |bytes: &str| [&[u8::try_from(bytes.len()).unwrap()], bytes.as_bytes()].concat();
    [vec![0x82, 0x86, 0x04], text(path), vec![0x01], text("test.example")].concat()
}

/// Streams that are reset as soon as they are begun cost the server more than the client (CVE-2023-44487).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_end_their_connection() {
    let mut host = TestHost::running_probe().await;
    let mut flood = beginning();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        flood.extend(frame(kind::HEADERS, END_STREAM | END_HEADERS, stream, &head("/never")));
        flood.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    assert!(is_ended(&host, &flood).await, "20,000 resets were taken for good manners");
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
    host.end("probe").await;
    let begun = host.output.so_far().matches("entered").count();
    assert!(begun < 2_000, "{begun} guests were begun for it");
}

/// A head that never ends (CVE-2024-27316).
#[tokio::test]
async fn continuations_without_end_are_given_up() {
    let host = TestHost::running_probe().await;
    let mut start = beginning();
    start.extend(frame(kind::HEADERS, END_STREAM, 1, &head("/print")));
    // A literal header without indexing, again and again.
    let headers = [&[0x00, 3][..], b"x-a", &[100], &[b'a'; 100]].concat().repeat(100);
    let sent = endless(&host, &start, &frame(kind::CONTINUATION, 0, 1, &headers)).await;
    assert!(sent < 16 << 20, "{sent} bytes were taken");
    // The same with nothing in them.
    let sent = endless(&host, &start, &frame(kind::CONTINUATION, 0, 1, &[]).repeat(100)).await;
    assert!(sent < 16 << 20, "{sent} bytes were taken");
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

/// A few bytes that stand for many: one large header in the table, named again and again.
#[tokio::test]
async fn a_head_that_unpacks_to_too_much_is_refused() {
    let host = TestHost::running_probe().await;
    let mut start = beginning();
    // With indexing: it becomes entry 62.
    let large = [&[0x40, 3][..], b"x-a", &[0x7f, 0xa1, 0x1e], &[b'a'; 4000]].concat();
    start.extend(frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &[head("/print"), large].concat()));
    let many = [head("/print"), vec![0xbe; 16_000]].concat();
    #[cfg(target_os = "linux")]
    let before = washlib_test::hostile::resident_memory();
    for number in 1..200 {
        start.extend(frame(kind::HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &many));
    }
    _ = is_ended(&host, &start).await;
    #[cfg(target_os = "linux")]
    assert!(washlib_test::hostile::resident_memory().saturating_sub(before) < 128 << 20);
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

/// Frames that want an answer, from a client that takes none; and frames that say nothing.
#[tokio::test]
async fn floods_of_small_frames_cost_no_memory() {
    let host = TestHost::running_probe().await;
    let floods = [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
        frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 16]),
        frame(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
        frame(0xfa, 0, 0, &[]),
    ];
    for flood in floods {
        #[cfg(target_os = "linux")]
        let before = washlib_test::hostile::resident_memory();
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        let first = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &head("/print"));
        stream.write_all(&[beginning(), first].concat()).await.unwrap();
        // A server that takes no more, or ends the connection, has found the answer.
        let sending = async {
            for _ in 0..200 {
                if stream.write_all(&flood.repeat(1_000)).await.is_err() {
                    break;
                }
            }
        };
        _ = tokio::time::timeout(Duration::from_secs(5), sending).await;
        #[cfg(target_os = "linux")]
        {
            let more = washlib_test::hostile::resident_memory().saturating_sub(before);
            assert!(more < 64 << 20, "{} MiB for frames of the type {}", more >> 20, flood[3]);
        }
        assert_eq!(host.get("/print").await, Answer::ok("printed"));
    }
}

/// Frames that may not be where they are.
#[tokio::test]
async fn broken_frames_end_their_connection_alone() {
    let host = TestHost::running_probe().await;
    let get = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &head("/never"));
    for broken in [
        frame(kind::DATA, 0, 0, b"x"),
        frame(kind::HEADERS, END_STREAM | END_HEADERS, 0, &head("/print")),
        frame(kind::HEADERS, END_STREAM | END_HEADERS, 2, &head("/print")),
        frame(kind::HEADERS, END_STREAM | END_HEADERS, 3, &[0xff; 100]),
        frame(kind::HEADERS, END_STREAM | END_HEADERS, 3, &[0xbe]),
        frame(kind::CONTINUATION, END_HEADERS, 1, b"x"),
        frame(kind::SETTINGS, 0, 1, &[]),
        frame(kind::SETTINGS, 0, 0, &[0; 5]),
        frame(kind::SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        frame(kind::PING, 0, 0, &[0; 7]),
        frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]),
        frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        [&[0xff, 0xff, 0xff, kind::DATA, 0][..], &1_u32.to_be_bytes()].concat(),
        frame(5, END_HEADERS, 1, &head("/print")),
    ] {
        let bytes = [beginning(), get.clone(), broken.clone()].concat();
        assert!(is_ended(&host, &bytes).await, "{broken:?} was taken");
        assert_eq!(host.get("/print").await, Answer::ok("printed"));
    }
}

/// Sends these bytes; whether the server ends the connection then, though the client does not.
async fn is_ended(host: &TestHost, bytes: &[u8]) -> bool {
    let stream = TcpStream::connect(host.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut sink = vec![0; 1 << 16];
        while reader.read(&mut sink).await.is_ok_and(|read| read > 0) {}
    });
    within_patience(async { _ = writer.write_all(bytes).await }).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), reading).await.is_ok();
    drop(writer);
    ended
}
