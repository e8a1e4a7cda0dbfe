//! Requests and responses, with bodies in both directions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use tokio::task::JoinSet;
use wash_runtime::host::HostApi;
use wash_runtime::types::{LocalResources, WorkloadStartRequest};

use super::{concurrent, running};
use crate::support::{
    Answer, Http2, TestHost, chunked, environment, get, get_http2, next_chunk, probe, request, within_patience,
};

#[tokio::test]
async fn requests_are_answered_over_both_protocols() {
    let host = running(environment(&[("VERSION", "three")])).await;
    let mut connection = host.connect().await;
    for (path, expected) in [
        ("/version", Answer::ok("three")),
        ("/uri?a=b", Answer::ok("http://test.example/uri?a=b")),
        ("/empty", Answer::ok("")),
        ("/nothing", Answer { status: 404, body: "not found".to_string() }),
        // Each request has an instance of its own.
        ("/count", Answer::ok("0")),
        ("/count", Answer::ok("0")),
    ] {
        assert_eq!(connection.get(path).await, expected, "{path}");
        assert_eq!(get_http2(host.address, path).await, expected, "{path}");
    }
    for count in [1, 200, 2_000] {
        assert_eq!(connection.get(&format!("/chunks?{count}")).await.body.len(), count * 1024, "{count}");
    }
}

#[tokio::test]
async fn a_small_response_is_sent_in_one_piece() {
    let host = running(environment(&[("VERSION", "three")])).await;
    let response = host.connect().await.send(get("/version")).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let host = running(LocalResources::default()).await;
    for path in ["/copy", "/echo"] {
        let (chunks, request) = chunked(path);
        chunks.send("one").unwrap();
        let mut response = host.connect().await.send(request).await.unwrap();
        assert_eq!(next_chunk(response.body_mut()).await, "one", "{path}");
        chunks.send("two").unwrap();
        assert_eq!(next_chunk(response.body_mut()).await, "two", "{path}");
        drop(chunks);
        assert!(within_patience(response.body_mut().frame()).await.is_none(), "{path}");
    }
    let body = "x".repeat(3_000_000);
    let request = Request::post("/length").header("host", "test.example").body(Full::from(body)).unwrap();
    let answer = Answer::of(host.connect().await.send(request).await.unwrap()).await.unwrap();
    assert_eq!(answer, Answer::ok("3000000"));
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let mut host = running(LocalResources::default()).await;
    let request = |path: &str| {
        let trailers = HeaderMap::from_iter([("x-end".parse().unwrap(), "reached".parse().unwrap())]);
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
        let request = Request::post(path).header("host", "test.example");
        let request = request.header("trailer", "x-end").header("te", "trailers");
        request.body(StreamBody::new(futures_util::stream::iter(frames))).unwrap()
    };
    let check = async |response: hyper::Result<http::Response<Incoming>>| {
        let body = within_patience(response.unwrap().into_body().collect()).await.unwrap();
        assert_eq!(body.trailers().and_then(|trailers| trailers.get("x-end")).unwrap(), "reached");
        assert_eq!(body.to_bytes(), "body");
    };
    check(host.connect().await.send(request("/trailers")).await).await;
    // The guest learns that its response has been sent.
    host.output.find("sent: Ok(())").await;
    let mut http2 = request("/trailers");
    *http2.uri_mut() = "http://test.example/trailers".parse().unwrap();
    http2.headers_mut().remove("host");
    check(Http2::open(host.address).await.send(http2).await).await;
    host.output.find("sent: Ok(())").await;
}

#[tokio::test]
async fn a_guest_goes_on_after_its_response() {
    let mut host = running(LocalResources::default()).await;
    assert_eq!(host.get("/afterwards").await, Answer::ok("sent"));
    host.output.find("afterwards").await;
    // A stop waits for such guests, too.
    assert_eq!(host.get("/afterwards").await, Answer::ok("sent"));
    host.end("handler").await;
    assert!(host.output.so_far().contains("afterwards"));
}

#[tokio::test]
async fn a_body_may_be_a_stream_of_the_host() {
    let host = TestHost::start().await;
    let mut request = request("handler", concurrent("handler"), LocalResources::default());
    request.workload.volumes = vec![crate::support::empty_dir("data")];
    request.workload.components[0].local_resources = crate::support::mounting(crate::support::mount("data", "/data"));
    host.deploy(request).await;
    assert_eq!(host.get("/file").await, Answer::ok("written with streams"));
}

#[tokio::test]
async fn versions_of_wasi_replace_each_other_without_a_failed_request() {
    let host = TestHost::start().await;
    let done = Arc::new(AtomicBool::new(false));
    host.run("0", probe(), environment(&[("VERSION", "0")])).await;
    let mut clients = JoinSet::new();
    for _ in 0..2 {
        let (mut connection, done) = (host.connect().await, Arc::clone(&done));
        clients.spawn(async move {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = connection.get("/version").await;
                let version: u32 = answer.body.parse().unwrap();
                assert!(answer.status == 200 && version >= last, "{answer:?} after {last}");
                last = version;
            }
        });
    }
    for version in 1..6_u32 {
        let bytes = if version % 2 == 0 { probe() } else { concurrent("handler") };
        host.run(&version.to_string(), bytes, environment(&[("VERSION", &version.to_string())])).await;
        host.end(&(version - 1).to_string()).await;
    }
    done.store(true, Ordering::Relaxed);
    while let Some(client) = within_patience(clients.join_next()).await {
        client.unwrap();
    }
    // The pools of both engines are one figure.
    assert!(host.host.metrics().pool.is_some());
}

#[tokio::test]
async fn an_instance_is_used_again_where_the_workload_allows_it() {
    let host = TestHost::start().await;
    host.deploy(with_config("instance-reuse", "3")).await;
    let mut connection = host.connect().await;
    for expected in ["0", "1", "2", "0"] {
        assert_eq!(connection.get("/count").await, Answer::ok(expected));
    }
}

#[tokio::test]
async fn an_entry_may_name_the_handler_of_wasi_0_3() {
    let host = TestHost::start().await;
    let mut request = request("handler", concurrent("handler"), LocalResources::default());
    request.workload.host_interfaces = vec!["wasi:http/handler@0.3.0".parse().unwrap()];
    host.deploy(request).await;
    assert_eq!(host.get("/empty").await.status, 200);
}

/// The handler, with a setting of its entry for HTTP.
pub(super) fn with_config(key: &str, value: &str) -> WorkloadStartRequest {
    let mut request = request("handler", concurrent("handler"), LocalResources::default());
    request.workload.host_interfaces[0].config.insert(key.to_string(), value.to_string());
    request
}

#[tokio::test]
async fn one_function_can_be_called_by_its_name() {
    let host = TestHost::start().await;
    let mut request = request("helper", concurrent("helper"), LocalResources::default());
    request.workload.host_interfaces.clear();
    host.deploy(request).await;
    for call in ["helper#add(20, 22)", "helper#add-later(20, 22, 1)"] {
        let outcome = host.host.invoke("helper", call, None).await.unwrap();
        assert_eq!(outcome.wave().as_deref(), Some("42"), "{call}");
    }
    assert!(host.host.heartbeat().await.unwrap().workload_count == 1);
}
