//! Which workload a request reaches by the host that it names.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Empty;
use wash_runtime::host::HostApi;
use wash_runtime::host::http::{DynamicRouter, InvalidHost, RouteError, Router};
use wash_runtime::types::{LocalResources, Workload, WorkloadStartRequest, WorkloadState, WorkloadStatusRequest};
use wash_runtime::wit::WitInterface;

use crate::support::{Answer, Connection, Http2, TestHost, environment, probe, raw, request, within_patience};

fn interface(config: &[(&str, &str)]) -> WitInterface {
    WitInterface {
        namespace: "wasi".to_string(),
        package: "http".to_string(),
        interfaces: HashSet::from(["incoming-handler".to_string()]),
        version: None,
        config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        name: None,
    }
}

/// A workload that answers `/version` with its id.
fn routed(id: &str, config: &[(&str, &str)]) -> WorkloadStartRequest {
    let mut request = request(id, probe(), environment(&[("VERSION", id)]));
    request.workload.host_interfaces = vec![interface(config)];
    request
}

async fn start(host: &TestHost, id: &str, config: &[(&str, &str)]) {
    host.host.workload_start(routed(id, config)).await.unwrap();
}

async fn get(connection: &mut Connection, host: &str) -> Answer {
    let request = Request::get("/version").header("host", host).body(Empty::new()).unwrap();
    Answer::of(connection.send(request).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn each_host_reaches_its_workload() {
    let host = TestHost::routing().await;
    start(&host, "one", &[("host", "One.Example"), ("host-aliases", "first.example, *.one.example.,")]).await;
    start(&host, "deep", &[("host", "*.deep.one.example"), ("host-aliases", "x.y.one.example")]).await;
    let mut connection = host.connect().await;
    for (name, expected) in [
        ("one.example", "one"),
        ("ONE.example:8080", "one"),
        ("one.example.", "one"),
        ("first.example", "one"),
        ("a.one.example", "one"),
        ("a.b.one.example", "one"),
        ("deep.one.example", "one"),
        ("a.deep.one.example", "deep"),
        ("A.B.Deep.One.Example:1", "deep"),
        ("x.y.one.example", "deep"),
        ("y.one.example", "one"),
    ] {
        assert_eq!(get(&mut connection, name).await, Answer::ok(expected), "{name}");
    }
    for name in ["two.example", "oneexample", "example", "notone.example", "127.0.0.1"] {
        let answer = get(&mut connection, name).await;
        let body = format!("no workload here answers for the host `{name}`\n");
        assert_eq!(answer, Answer { status: 404, body }, "{name}");
    }

    start(&host, "any", &[("host", "*")]).await;
    for (name, expected) in [("two.example", "any"), ("first.example", "one"), ("a.one.example", "one")] {
        assert_eq!(get(&mut connection, name).await, Answer::ok(expected), "{name}");
    }
    host.end("any").await;
    host.end("one").await;
    for (name, status) in
        [("two.example", 404), ("one.example", 404), ("a.one.example", 404), ("a.deep.one.example", 200)]
    {
        assert_eq!(get(&mut connection, name).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn workloads_with_the_same_host_take_turns() {
    let host = TestHost::routing().await;
    for id in ["a", "b", "c"] {
        start(&host, id, &[("host", "shared.example")]).await;
    }
    let mut connection = host.connect().await;
    let mut seen = HashMap::new();
    for _ in 0..9 {
        *seen.entry(get(&mut connection, "shared.example").await.body).or_insert(0) += 1;
    }
    let expected = ["a", "b", "c"].map(|id| (id.to_string(), 3));
    assert_eq!(seen, HashMap::from(expected));
    host.end("b").await;
    for _ in 0..4 {
        assert_ne!(get(&mut connection, "shared.example").await.body, "b");
    }
}

#[tokio::test]
async fn a_host_whose_workload_is_starting_is_known_but_not_ready() {
    let host = TestHost::routing().await;
    let mut request = routed("slow", &[("host", "slow.example")]);
    request.workload.components[0].local_resources = environment(&[("SPIN_AT_START", "1")]);
    let starting = tokio::spawn({
        let host = std::sync::Arc::clone(&host.host);
        async move { host.workload_start(request).await }
    });
    let status = || host.host.workload_status(WorkloadStatusRequest { workload_id: "slow".to_string() });
    within_patience(async {
        while status().await.unwrap().workload_status.workload_state != WorkloadState::Starting {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut connection = host.connect().await;
    let body = "the workload for host `slow.example` is starting\n".to_string();
    assert_eq!(get(&mut connection, "slow.example").await, Answer { status: 503, body });
    starting.abort();
    assert!(starting.await.unwrap_err().is_cancelled());
    assert_eq!(get(&mut connection, "slow.example").await.status, 404);
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_route() {
    let host = TestHost::routing().await;
    let mut bad = routed("bad", &[("host", "bad.example")]);
    bad.workload.components[0].bytes = "nonsense".into();
    host.host.workload_start(bad).await.unwrap_err();
    let err = host.host.workload_start(routed("worse", &[("host", "a b")])).await.unwrap_err();
    let invalid: &InvalidHost = err.downcast_ref().unwrap();
    assert_eq!(invalid.entry, "a b");
    let mut connection = host.connect().await;
    assert_eq!(get(&mut connection, "bad.example").await.status, 404);
    // Neither uses up its id or its host.
    start(&host, "bad", &[("host", "bad.example")]).await;
    assert_eq!(get(&mut connection, "bad.example").await, Answer::ok("bad"));
}

#[tokio::test]
async fn a_workload_without_a_host_runs_but_gets_no_requests() {
    let host = TestHost::routing().await;
    start(&host, "one", &[("address", "0.0.0.0:8080")]).await;
    host.run("two", probe(), LocalResources::default()).await;
    let mut connection = host.connect().await;
    assert_eq!(get(&mut connection, "one").await.status, 404);
    let request = Request::get("/version").version(Version::HTTP_10).body(Empty::new()).unwrap();
    let answer = Answer::of(connection.send(request).await.unwrap()).await.unwrap();
    assert_eq!(answer.status, 404, "{}", answer.body);
}

#[test]
fn twenty_thousand_hosts_are_told_apart() {
    let router = DynamicRouter::default();
    let name = |number: usize| format!("host-{number}.example");
    for number in 0..20_000 {
        let workload = Workload { host_interfaces: vec![interface(&[("host", &name(number))])], ..Workload::default() };
        router.announce(&number.to_string(), &workload).unwrap();
    }
    let route = |number: usize| {
        let (parts, ()) = Request::get(format!("http://{}/", name(number))).body(()).unwrap().into_parts();
        router.route(&parts).unwrap_err()
    };
    for number in (0..20_000).step_by(7) {
        assert!(matches!(route(number), RouteError::Unavailable { .. }), "{number}");
    }
    assert!(matches!(route(20_000), RouteError::NotFound { .. }));
    for number in 0..20_000 {
        router.remove(&number.to_string());
        if number % 7 == 0 {
            assert!(matches!(route(number), RouteError::NotFound { .. }), "{number}");
        }
    }
    assert_eq!(format!("{router:?}"), "DynamicRouter { workloads: 0, .. }");
}

/// What a client may call a host by reaches that host's workload or none, and never another's.
#[tokio::test]
async fn odd_names_reach_no_other_workload() {
    let host = TestHost::routing().await;
    start(&host, "one", &[("host", "one.example")]).await;
    start(&host, "wild", &[("host", "*.wild.example")]).await;
    start(&host, "ip", &[("host", "127.0.0.1")]).await;
    let long = "a".repeat(20_000);
    let mut wrong = Vec::new();
    for (name, expected) in [
        ("one.example:", Some("one")),
        ("one.example:0", Some("one")),
        ("one.example:65535", Some("one")),
        ("one.example:65536", Some("one")),
        ("one.example:80:80", None),
        // Ports are ignored, whatever they are.
        ("one.example:-1", Some("one")),
        ("one.example..", None),
        (".one.example", None),
        ("one..example", None),
        ("one.example/", None),
        ("one.example#", None),
        ("one.example?", None),
        ("one.example\\", None),
        ("two.example@one.example", None),
        ("one.example@two.example", None),
        ("one.example, two.example", None),
        ("one%2eexample", None),
        ("0ne.example", None),
        ("*.wild.example", None),
        ("*", None),
        (".wild.example", None),
        ("a..wild.example", None),
        ("wild.example", None),
        ("a.wild.example", Some("wild")),
        ("127.0.0.1:1", Some("ip")),
        ("127.0.0.01", None),
        ("2130706433", None),
        ("0x7f.0.0.1", None),
        ("[::1]", None),
        ("[::ffff:127.0.0.1]:80", None),
        ("[one.example]", None),
        ("[", None),
        (":80", None),
        (long.as_str(), None),
    ] {
        let request = Request::get("/version").header("host", name).body(Empty::new()).unwrap();
        let response = host.connect().await.send(request).await;
        let answer = Answer::of(response.unwrap()).await.unwrap();
        let is_right = match expected {
            Some(expected) => answer == Answer::ok(expected),
            None => (400..500).contains(&answer.status),
        };
        if !is_right {
            wrong.push((name, answer));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The request's own target decides, and not a header that says otherwise (RFC 9112, section 3.2.2; RFC 9113, 8.3.1).
#[tokio::test]
async fn a_header_does_not_overrule_the_target() {
    let host = TestHost::routing().await;
    for id in ["one", "two"] {
        start(&host, id, &[("host", &format!("{id}.example"))]).await;
    }
    let request = "GET http://one.example/version HTTP/1.1\r\nhost: two.example\r\nconnection: close\r\n\r\n";
    let response = raw(host.address, request).await;
    assert!(response.ends_with("one"), "{response}");
    let request = Request::get("http://one.example/version").header("host", "two.example").body(Empty::<Bytes>::new());
    if let Ok(response) = Http2::open(host.address).await.send(request.unwrap()).await {
        let answer = Answer::of(response).await.unwrap();
        assert!(answer == Answer::ok("one") || answer.status == 400, "{answer:?}");
    }
}
