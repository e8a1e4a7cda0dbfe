//! Requests that go well, and those that no guest ever sees.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use wash_runtime::engine::{Engine, MemoryReset};
use wash_runtime::host::HostBuilder;
use wash_runtime::host::guest_output::GuestStream;
use wash_runtime::host::http::{DevRouter, HttpServer};
use wash_runtime::types::{Component, LocalResources};

use crate::support::{
    Answer, TestHost, chunked_echo, environment, from_text, get, get_http2, hello, next_chunk, probe, raw,
    within_patience, workload_of,
};

#[tokio::test]
async fn the_template_answers_over_one_connection_and_over_http2() {
    let host = TestHost::start().await;
    host.run("hello", hello(), LocalResources::default()).await;
    let mut connection = host.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.get("/").await, Answer::ok("Hello from wasmCloud!\n"));
    }
    assert_eq!(get_http2(host.address, "/").await, Answer::ok("Hello from wasmCloud!\n"));
    assert_eq!(connection.get("/elsewhere").await.status, 404);
}

#[tokio::test]
async fn an_engine_without_a_pool_answers_too() {
    let engine = Engine::builder().with_pooling_allocator(false).build().unwrap();
    let host = TestHost::build(HostBuilder::new().with_engine(engine)).await;
    host.run("hello", hello(), LocalResources::default()).await;
    assert_eq!(host.get("/").await, Answer::ok("Hello from wasmCloud!\n"));
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let host = TestHost::running_probe().await;
    let (chunks, request) = chunked_echo();
    let mut connection = host.connect().await;
    chunks.send("one").unwrap();
    let mut response = connection.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");
    // The second chunk is sent only after the first has come back.
    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
    drop(chunks);
    assert!(within_patience(response.body_mut().frame()).await.is_none());
}

#[tokio::test]
async fn a_large_body_comes_back_whole() {
    let host = TestHost::running_probe().await;
    let body: String = (0..400_000).map(|number| format!("{number},")).collect();
    let request = Request::post("/echo").header("host", "test.example").body(Full::from(body.clone())).unwrap();
    let answer = Answer::of(host.connect().await.send(request).await.unwrap()).await.unwrap();
    assert!(answer == Answer::ok(&body), "{} of {} bytes came back", answer.body.len(), body.len());
}

#[tokio::test]
async fn a_head_request_gets_no_body_and_keeps_the_connection() {
    let host = TestHost::running_probe().await;
    let mut connection = host.connect().await;
    let request = Request::builder().method(Method::HEAD).uri("/print").header("host", "test.example");
    let response = connection.send(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok(""));
    assert_eq!(connection.get("/print").await, Answer::ok("printed"));
}

#[tokio::test]
async fn a_guest_sends_requests_of_its_own() {
    let upstream = TestHost::start().await;
    upstream.run("upstream", probe(), environment(&[("VERSION", "upstream")])).await;
    let host = TestHost::running_probe().await;
    let request = Request::get("/fetch")
        .header("host", "test.example")
        .header("x-target", format!("http://{}/version", upstream.address))
        .body(Empty::new())
        .unwrap();
    let response = host.connect().await.send(request).await.unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("upstream"));
}

#[tokio::test]
async fn requests_go_only_to_allowed_hosts() {
    let upstream = TestHost::running_probe().await;
    let target = format!("http://{}/version", upstream.address);
    for (allowed, status) in [("127.0.0.1", 200), ("*.example.com", 502)] {
        let host = TestHost::start().await;
        let resources = LocalResources { allowed_hosts: vec![allowed.to_string()], ..LocalResources::default() };
        host.run("probe", probe(), resources).await;
        let request =
            Request::get("/fetch").header("host", "test.example").header("x-target", &target).body(Empty::new());
        let response = host.connect().await.send(request.unwrap()).await.unwrap();
        let answer = Answer::of(response).await.unwrap();
        assert_eq!(answer.status, status, "{allowed}: {}", answer.body);
        assert_eq!(answer.body.contains("HttpRequestDenied"), status == 502, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_guest_sees_its_environment_and_only_that() {
    let host = TestHost::start().await;
    host.run("one", probe(), environment(&[("VERSION", "7"), ("OTHER", "x")])).await;
    assert_eq!(host.get("/version").await, Answer::ok("7"));
    host.run("two", probe(), LocalResources::default()).await;
    assert_eq!(host.get("/version").await, Answer::ok(""));
}

#[tokio::test]
async fn what_a_guest_prints_reaches_the_embedder() {
    let mut host = TestHost::running_probe().await;
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
    let (source, stream, text) = host.output.next().await;
    assert_eq!((stream, text.as_str()), (GuestStream::Stdout, "to standard output\n"));
    assert_eq!(source.workload_id, "probe");
    assert_eq!(source.workload_name, "workload");
    assert_eq!(source.component_name, "component");
    let mut error = String::new();
    while error != "to standard error\n" {
        let (_, stream, text) = host.output.next().await;
        assert_eq!(stream, GuestStream::Stderr);
        error.push_str(&text);
    }
}

#[tokio::test]
async fn without_a_workload_the_answer_says_so() {
    let host = TestHost::start().await;
    assert_eq!(host.get("/").await, Answer { status: 503, body: "no workload is running here\n".to_string() });
    host.router.set_unavailable_message("the first build has failed");
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/").await, Answer { status: 503, body: "the first build has failed\n".to_string() });
    // The same connection gets the workload once there is one.
    host.run("hello", hello(), LocalResources::default()).await;
    assert_eq!(connection.get("/").await, Answer::ok("Hello from wasmCloud!\n"));
}

#[tokio::test]
async fn the_guest_learns_scheme_and_host() {
    let host = TestHost::running_probe().await;
    assert_eq!(host.get("/uri?a=b").await, Answer::ok("http://test.example/uri?a=b"));
}

#[tokio::test]
async fn a_request_without_a_proper_host_is_refused_and_nothing_else_suffers() {
    let host = TestHost::running_probe().await;
    for (head, expected, body) in [
        ("GET /version HTTP/1.1\r\n", "HTTP/1.1 400 ", "the request has no Host header"),
        ("GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "HTTP/1.1 400 ", "more than one Host header"),
        ("GET /version HTTP/1.1\r\nHost: a b/c\r\n", "HTTP/1.1 400 ", "Host header is malformed"),
        ("GET /version HTTP/1.1\r\nHost:\r\n", "HTTP/1.1 400 ", "Host header is malformed"),
        ("GET /version HTTP/1.1\r\nHost: \u{e9}\r\n", "HTTP/1.1 400 ", "Host header is malformed"),
        ("GET /uri HTTP/1.0\r\n", "HTTP/1.0 200 ", "http://127.0.0.1"),
        ("GET http://other.example/uri HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 200 ", "http://other.example/uri"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 404 ", "not found"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 404 ", "not found"),
        ("nonsense\r\n", "HTTP/1.1 400 ", ""),
    ] {
        let response = raw(host.address, &format!("{head}Connection: close\r\n\r\n")).await;
        assert!(response.starts_with(expected), "{head:?}: {response}");
        assert!(response.contains(body), "{head:?}: {response}");
    }
    assert_eq!(host.connect().await.send(get("/version")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_a_connection_without_a_request_is_closed_in_time() {
    let router = DevRouter::default();
    let server = HttpServer::new(router.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let host =
        TestHost::assemble(HostBuilder::new(), server.with_header_timeout(Duration::from_millis(300)), router).await;
    host.run("probe", probe(), LocalResources::default()).await;

    let mut busy = host.connect().await;
    let (chunks, request) = chunked_echo();
    chunks.send("one").unwrap();
    let mut response = busy.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");
    // This connection is the younger one: once its time is over, the other's is too.
    let mut silent = TcpStream::connect(host.address).await.unwrap();
    assert_eq!(within_patience(silent.read(&mut [0])).await.unwrap(), 0);
    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
}

#[tokio::test]
async fn a_component_with_much_data_finds_it_whole_each_time() {
    let engine = Engine::builder().with_max_instances(16).build().unwrap();
    let has_slots = engine.memory_reset() == Some(MemoryReset::PagemapScan);
    let host = TestHost::build(HostBuilder::new().with_engine(engine)).await;
    // It tells its data's last byte, and leaves another one there.
    let component = |size: usize| {
        from_text(&format!(
            r#"(component
                (core module $m (memory 17) (data (i32.const 8) "{data}a")
                    (func (export "last") (result i32)
                        (i32.load8_u (i32.const {last}))
                        (i32.store8 (i32.const {last}) (i32.const 122))))
                (core instance $i (instantiate $m))
                (func (export "last") (result u32) (canon lift (core func $i "last"))))"#,
            data = "x".repeat(size),
            last = size + 8,
        ))
    };
    let places = || host.host.metrics().pool.unwrap().max_instances;
    for (name, size, expected) in [("little", 1_000, 16), ("much", 400_000, if has_slots { 32 } else { 16 })] {
        let mut request = workload_of(name, Vec::new());
        request.workload.host_interfaces.clear();
        request.workload.components =
            vec![Component { name: name.to_string(), bytes: component(size), ..Component::default() }];
        host.deploy(request).await;
        assert_eq!(places(), expected, "{name}");
        for _ in 0..100 {
            let last = host.host.invoke(name, "last()", None).await.unwrap().wave().unwrap();
            assert_eq!(last, u32::from(b'a').to_string(), "{name}");
        }
    }
}
