//! Guests in other languages, whose engines are larger than any guest in Rust: they answer, and they misbehave no worse.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use http::Request;
use http_body_util::Full;
use wash_runtime::types::LocalResources;

use crate::support::{Answer, Connection, TestHost, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_in_javascript() {
    let host = serving(washlib_test::guest::build_javascript, "javascript").await;
    assert_eq!(host.get("/").await, Answer::ok("hello from JavaScript"));
    answers(&host).await;
    misbehaves(&host).await;
    assert_eq!(host.get("/").await, Answer::ok("hello from JavaScript"));

    let upstream = TestHost::running_probe().await;
    let request = Request::get("/fetch")
        .header("host", "test.example")
        .header("x-target", format!("http://{}/print", upstream.address))
        .body(Full::default())
        .unwrap();
    let response = host.connect().await.send(request).await.unwrap();
    assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("printed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_in_python() {
    let host = serving(washlib_test::guest::build_python, "python").await;
    assert_eq!(host.get("/").await, Answer::ok("hello from Python"));
    answers(&host).await;
    misbehaves(&host).await;
    assert_eq!(host.get("/").await, Answer::ok("hello from Python"));
}

async fn serving(build: fn(&Path) -> PathBuf, name: &str) -> TestHost {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name);
    let bytes = std::fs::read(build(&project)).unwrap().into();
    let host = TestHost::start().await;
    let mut request = request(name, bytes, LocalResources { memory_limit_mb: 256, ..LocalResources::default() });
    request.workload.host_interfaces[0].config = HashMap::from([("request-timeout".to_string(), "5s".to_string())]);
    host.deploy(request).await;
    host
}

async fn answers(host: &TestHost) {
    let mut connection = host.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.get("/requests").await, Answer::ok("1"), "each request has an instance of its own");
    }
    let body: String = (0..20_000).map(|number| format!("{number},")).collect();
    let echo = post(&mut connection, "/echo", body.clone()).await;
    assert!(echo == Answer::ok(&body), "{} {:.300}", echo.status, echo.body);
    let answer = post(&mut connection, "/json", r#"{"name": "Zoë", "numbers": [1, 2, 39]}"#.to_string()).await;
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(value, serde_json::json!({"name": "Zoë", "sum": 42}));
    let chunks: String = (0..100).map(|number| format!("chunk {number}\n")).collect();
    assert_eq!(connection.get("/stream").await, Answer::ok(&chunks));
    assert_eq!(connection.get("/sleep").await, Answer::ok("slept"));
    assert_eq!(connection.get("/elsewhere").await.status, 404);
}

async fn post(connection: &mut Connection, path: &str, body: String) -> Answer {
    let request = Request::post(path).header("host", "test.example").body(Full::from(body)).unwrap();
    Answer::of(connection.send(request).await.unwrap()).await.unwrap()
}

async fn misbehaves(host: &TestHost) {
    // A busy machine may bring a guest to its deadline before its memory is full.
    let misdeeds: [(&str, &[u16]); 4] =
        [("/throw", &[500]), ("/recurse", &[500]), ("/allocate", &[500, 504]), ("/spin", &[504])];
    for (path, statuses) in misdeeds {
        let answer = host.get(path).await;
        assert!(statuses.contains(&answer.status), "{path}: {answer:?}");
    }
    // Those that spin end at their deadline; others do not wait for that.
    let address = host.address;
    let spinning = tokio::spawn(async move { Connection::open(address).await.get("/spin").await });
    for _ in 0..5 {
        assert_eq!(host.get("/requests").await, Answer::ok("1"));
    }
    assert_eq!(spinning.await.unwrap().status, 504);
}
