//! Requests that guests send: how they travel, which of them may, and what becomes of the rest.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wash_runtime::engine::{Engine, LoopbackEgress, RootCertificateError};
use wash_runtime::host::HostBuilder;
use wash_runtime::types::LocalResources;

use crate::support::{Answer, Connection, TestHost, chunked_echo, fetcher, within_patience};
use crate::upstream::{Identity, Upstream, raw};

async fn host() -> TestHost {
    with_allowed(&[]).await
}

async fn with_allowed(allowed_hosts: &[&str]) -> TestHost {
    running(HostBuilder::new(), allowed_hosts).await
}

async fn running(builder: HostBuilder, allowed_hosts: &[&str]) -> TestHost {
    let host = TestHost::build(builder).await;
    let allowed_hosts = allowed_hosts.iter().map(ToString::to_string).collect();
    host.run("fetcher", fetcher(), LocalResources { allowed_hosts, ..LocalResources::default() }).await;
    host
}

/// Tells the guest to send a request.
async fn tell(connection: &mut Connection, path: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("host", "test.example").header("x-target", target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(connection.send(request.body(Empty::new()).unwrap()).await.unwrap()).await.unwrap()
}

async fn fetch(host: &TestHost, target: &str) -> Answer {
    tell(&mut host.connect().await, "/fetch", target, &[]).await
}

#[track_caller]
fn assert_failed(answer: &Answer, expected: &str) {
    assert!(answer.status == 502 && answer.body.contains(expected), "{expected}: {answer:?}");
}

#[tokio::test]
async fn requests_after_one_another_share_a_connection() {
    let upstream = Upstream::start().await;
    let host = host().await;
    let mut connection = host.connect().await;
    let spoken = format!("HTTP/1.1 host={} authority=", upstream.address);
    let answer = tell(&mut connection, "/again", &upstream.url("/spoken"), &[("x-times", "3")]).await;
    assert_eq!(answer, Answer::ok(&[spoken.as_str(); 3].join(",")));
    assert_eq!(upstream.accepted(), 1);
    // Each of these comes from another instance. One that is taken for slow may get a connection to itself.
    for _ in 0..10 {
        assert_eq!(tell(&mut connection, "/fetch", &upstream.url("/spoken"), &[]).await, Answer::ok(&spoken));
    }
    assert!(upstream.accepted() < 10, "{} connections", upstream.accepted());
}

#[tokio::test]
async fn workloads_share_no_connection_and_take_theirs_with_them() {
    let upstream = Upstream::start().await;
    let host = host().await;
    let mut connection = host.connect().await;
    assert_eq!(tell(&mut connection, "/fetch", &upstream.url("/spoken"), &[]).await.status, 200);
    host.run("other", fetcher(), LocalResources::default()).await;
    assert_eq!(tell(&mut connection, "/fetch", &upstream.url("/spoken"), &[]).await.status, 200);
    assert_eq!(upstream.accepted(), 2);
    host.end("fetcher").await;
    upstream.ended(1).await;
}

#[tokio::test]
async fn a_connection_with_an_unread_body_is_not_used_again() {
    let upstream = Upstream::start().await;
    let host = host().await;
    let mut connection = host.connect().await;
    assert_eq!(tell(&mut connection, "/part", &upstream.url("/endless"), &[]).await, Answer::ok("part"));
    upstream.ended(1).await;
    assert_eq!(tell(&mut connection, "/fetch", &upstream.url("/spoken"), &[]).await.status, 200);
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn a_server_may_close_between_requests() {
    let upstream = raw("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext").await;
    let host = host().await;
    let answer = tell(&mut host.connect().await, "/again", &format!("http://{upstream}/"), &[("x-times", "20")]).await;
    assert_eq!(answer, Answer::ok(&["text"; 20].join(",")));
}

#[tokio::test]
async fn a_body_is_sent_while_it_comes() {
    let mut upstream = Upstream::start().await;
    let host = host().await;
    let (chunks, mut request) = chunked_echo();
    *request.uri_mut() = "/upload".parse().unwrap();
    request.headers_mut().insert("x-target", upstream.url("/upload").parse().unwrap());
    chunks.send("one").unwrap();
    let mut connection = host.connect().await;
    let answered = tokio::spawn(async move { Answer::of(connection.send(request).await.unwrap()).await.unwrap() });
    assert_eq!(within_patience(upstream.uploaded.recv()).await.unwrap(), "one");
    // The second chunk is sent only after the first has arrived.
    chunks.send("two").unwrap();
    assert_eq!(within_patience(upstream.uploaded.recv()).await.unwrap(), "two");
    drop(chunks);
    assert_eq!(answered.await.unwrap(), Answer::ok("uploaded"));
}

#[tokio::test]
async fn trailers_go_and_come_over_both_versions() {
    let upstream = Upstream::start().await;
    let host = host().await;
    for content_type in ["text/plain", "application/grpc"] {
        let headers = [("x-content-type", content_type)];
        let answer = tell(&mut host.connect().await, "/trailers", &upstream.url("/trailers"), &headers).await;
        assert_eq!(answer, Answer::ok("Some(\"sent\") Some(\"answered\")"), "{content_type}");
    }
    // gRPC has a connection of HTTP/2 to itself.
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn tls_trusts_whom_the_embedder_adds() {
    let identity = Identity::new();
    let engine = Engine::builder().with_extra_root_certificates(&identity.authority).unwrap().build().unwrap();
    let trusting = running(HostBuilder::new().with_engine(engine), &[]).await;
    let upstream = Upstream::with_tls(&identity).await;
    let port = upstream.address.port();
    for name in ["localhost", "127.0.0.1"] {
        let before = upstream.accepted();
        let target = format!("https://{name}:{port}/spoken");
        let answer = tell(&mut trusting.connect().await, "/again", &target, &[("x-times", "3")]).await;
        let spoken = format!("HTTP/2.0 host= authority={name}:{port}");
        assert_eq!(answer, Answer::ok(&[spoken.as_str(); 3].join(",")));
        assert_eq!(upstream.accepted(), before + 1, "{name}");
    }
    let target = format!("https://localhost:{port}/spoken");
    assert_failed(&fetch(&host().await, &target).await, "TlsCertificateError");
}

#[tokio::test]
async fn tls_carries_http1_where_the_server_has_no_other() {
    let identity = Identity::new().without_http2();
    let engine = Engine::builder().with_extra_root_certificates(&identity.authority).unwrap().build().unwrap();
    let host = running(HostBuilder::new().with_engine(engine), &[]).await;
    let upstream = Upstream::with_tls(&identity).await;
    let authority = format!("localhost:{}", upstream.address.port());
    let target = format!("https://{authority}/spoken");
    let answer = tell(&mut host.connect().await, "/again", &target, &[("x-times", "2")]).await;
    let spoken = format!("HTTP/1.1 host={authority} authority=");
    assert_eq!(answer, Answer::ok(&[spoken.as_str(); 2].join(",")));
    assert_eq!(upstream.accepted(), 1);
}

#[test]
fn root_certificates_are_checked_at_once() {
    let refused = |pem: &str| Engine::builder().with_extra_root_certificates(pem).map(drop).unwrap_err();
    assert!(matches!(refused(""), RootCertificateError::NoCertificate));
    assert!(matches!(refused("-----BEGIN CERTIFICATE-----\nAAAA"), RootCertificateError::Pem(_)));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(refused(no_certificate), RootCertificateError::Certificate { number: 1, .. }));
}

#[tokio::test]
async fn silence_lasts_as_long_as_the_guest_allows() {
    let upstream = Upstream::start().await;
    // It takes connections, but says nothing of TLS.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = host().await;
    for (target, timeout, expected) in [
        (upstream.url("/silent"), "x-first-byte-timeout", "ConnectionReadTimeout"),
        (upstream.url("/endless"), "x-between-bytes-timeout", "connection read timeout"),
        (format!("https://{}/", mute.local_addr().unwrap()), "x-connect-timeout", "ConnectionTimeout"),
    ] {
        let answer = tell(&mut host.connect().await, "/fetch", &target, &[(timeout, "100")]).await;
        assert_failed(&answer, expected);
    }
    // Both connections were of no more use.
    upstream.ended(2).await;
}

#[tokio::test]
async fn failures_have_names() {
    let host = host().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    for (address, expected) in [
        (closed, "ConnectionRefused"),
        (raw("").await, "ConnectionTerminated"),
        (raw("nonsense\r\n\r\n").await, "HttpProtocolError"),
        (raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart").await, "incomplete HTTP response"),
        (raw(long).await, "HttpResponseHeaderSectionSize"),
    ] {
        assert_failed(&fetch(&host, &format!("http://{address}/")).await, expected);
    }
    // Plain text is no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // It stays open until the client has had its say.
        _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert_failed(&fetch(&host, &format!("https://{plain}/")).await, "TlsProtocolError");
    assert_failed(&fetch(&host, "http://user@127.0.0.1/").await, "HttpRequestUriInvalid");
    assert_failed(&fetch(&host, "http://127.0.0.1:65536/").await, "HttpRequestUriInvalid");
}

#[tokio::test]
async fn only_allowed_hosts_are_sent_to() {
    let upstream = Upstream::start().await;
    let port = upstream.address.port();
    for (allowed, target, expected) in [
        ("127.0.0.1", format!("http://127.0.0.1:{port}/spoken"), true),
        ("*", format!("http://127.0.0.1:{port}/spoken"), true),
        (&format!("localhost:{port}"), format!("http://LocalHost:{port}/spoken"), true),
        (&format!("http://localhost:{port}/"), format!("http://localhost:{port}/spoken"), true),
        ("localhost", format!("http://127.0.0.1:{port}/spoken"), false),
        ("localhost:1", format!("http://localhost:{port}/spoken"), false),
        ("https://localhost", format!("http://localhost:{port}/spoken"), false),
        ("*.localhost", format!("http://localhost:{port}/spoken"), false),
        ("*.example.com", format!("http://localhost:{port}/spoken"), false),
    ] {
        let answer = fetch(&with_allowed(&[allowed]).await, &target).await;
        if expected {
            assert_eq!(answer.status, 200, "{allowed} {target}: {answer:?}");
        } else {
            assert_failed(&answer, "HttpRequestDenied");
        }
    }
}

#[tokio::test]
async fn a_redirect_leads_no_further_than_a_request() {
    let (inside, outside) = (Upstream::start().await, Upstream::start().await);
    let host = with_allowed(&[&inside.address.to_string()]).await;
    let follow =
        async |to: &str| tell(&mut host.connect().await, "/follow", &inside.url(&format!("/redirect?{to}")), &[]).await;
    assert_eq!(follow(&inside.url("/spoken")).await.status, 200);
    assert_failed(&follow(&outside.url("/spoken")).await, "HttpRequestDenied");
    // To a guest that does not follow it is a response like others.
    assert_eq!(fetch(&host, &inside.url(&format!("/redirect?{}", outside.url("/")))).await, Answer::ok(""));
    assert_eq!(outside.accepted(), 0);
}

#[tokio::test]
async fn addresses_that_hold_secrets_are_out_of_reach() {
    let host = host().await;
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "2852039166",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[::]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:127.0.0.1]",
    ] {
        assert_failed(&fetch(&host, &format!("http://{address}/")).await, "DestinationIpProhibited");
    }
}

#[tokio::test]
async fn a_special_address_can_be_allowed_by_itself() {
    let upstream = Upstream::start().await;
    // On Linux this address is the machine's own.
    let target = format!("http://0.0.0.0:{}/spoken", upstream.address.port());
    assert_failed(&fetch(&with_allowed(&["*"]).await, &target).await, "DestinationIpProhibited");
    if cfg!(target_os = "linux") {
        assert_eq!(fetch(&with_allowed(&["0.0.0.0"]).await, &target).await.status, 200);
    }
}

#[tokio::test]
async fn an_embedder_keeps_guests_from_its_own_machine() {
    let upstream = Upstream::start().await;
    let refusing = || HostBuilder::new().with_loopback_egress(LoopbackEgress::Refused);
    let host = running(refusing(), &[]).await;
    for name in ["127.0.0.1", "localhost"] {
        let target = format!("http://{name}:{}/spoken", upstream.address.port());
        assert_failed(&fetch(&host, &target).await, "DestinationIpProhibited");
    }
    assert_eq!(upstream.accepted(), 0);
    let host = running(refusing(), &["127.0.0.1"]).await;
    assert_eq!(fetch(&host, &upstream.url("/spoken")).await.status, 200);
}

#[tokio::test]
async fn a_host_that_stops_does_not_wait_for_idle_connections() {
    let upstream = Upstream::start().await;
    let host = host().await;
    assert_eq!(fetch(&host, &upstream.url("/spoken")).await.status, 200);
    let begun = Instant::now();
    within_patience(host.host.stop()).await.unwrap();
    // Idle connections live for a minute, and requests in flight are waited for half as long.
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    upstream.ended(1).await;
}
