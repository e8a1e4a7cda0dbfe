//! Workloads of several components: who calls whom, what passes between them, and what stays apart.

use std::collections::HashMap;
use std::net::SocketAddr;

use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wash_runtime::host::{HostApi, ImportProblem, StartError};
use wash_runtime::types::{Component, LocalResources, WorkloadStartRequest};

use crate::support::{
    Answer, Connection, TestHost, empty_dir, environment, from_text, mount, mounting, part, part_component, workload_of,
};

/// A component that answers requests with the help of two others.
fn trio() -> WorkloadStartRequest {
    let component = |name| part_component(name, LocalResources::default());
    workload_of("trio", vec![component("front"), component("back"), component("deep")])
}

async fn running(request: WorkloadStartRequest) -> TestHost {
    let host = TestHost::start().await;
    host.deploy(request).await;
    host
}

#[tokio::test]
async fn values_resources_and_chains_pass_between_siblings() {
    let host = running(trio()).await;
    for path in ["/values", "/bytes?100000", "/counters", "/chain"] {
        assert_eq!(host.get(path).await, Answer::ok("fine"), "{path}");
    }
    // Each request has instances of its own: counts begin anew.
    assert_eq!(host.get("/counters").await, Answer::ok("fine"));
}

#[tokio::test]
async fn streams_pass_between_siblings_both_ways() {
    let host = running({
        let mut request = trio();
        request.workload.volumes = vec![empty_dir("data")];
        request.workload.components[1].local_resources = mounting(mount("data", "/data"));
        request
    })
    .await;
    let post = |path: &str, body: &'static str| {
        http::Request::post(path).header("host", "test.example").body(Full::from(body)).unwrap()
    };
    let mut connection = host.connect().await;
    // The caller's streams: the sibling reads the request and writes the response.
    let answer = connection.send(post("/echo-by-sibling", "from the client")).await.unwrap();
    assert_eq!(Answer::of(answer).await.unwrap(), Answer::ok("from the client"));
    // Lent, so that the caller reads on where the sibling stopped.
    let answer = connection.send(post("/peek", "abcdefgh")).await.unwrap();
    assert_eq!(Answer::of(answer).await.unwrap(), Answer::ok("abcd|efgh"));
    // The sibling's stream, of a file that only the sibling can open.
    assert_eq!(connection.get("/write?/data/file").await, Answer::ok("Ok(())"));
    assert_eq!(connection.get("/open?file").await, Answer::ok("written by the sibling"));
    let answer = connection.get("/read-myself?/data/file").await;
    assert!(answer.body.starts_with("Err("), "{answer:?}");
}

#[tokio::test]
async fn each_component_has_its_own_resources() {
    let (allowed, forbidden) = (echo_server().await, echo_server().await);
    let host = running({
        let mut request = trio();
        request.workload.volumes = vec![empty_dir("data"), empty_dir("other")];
        let [front, back, _] = request.workload.components.as_mut_slice() else { panic!("three components") };
        front.local_resources = LocalResources {
            volume_mounts: vec![mount("other", "/data")],
            allowed_hosts: vec!["nobody.example".to_string()],
            ..environment(&[("NAME", "front"), ("ONLY_FRONT", "x")])
        };
        back.local_resources = LocalResources {
            volume_mounts: vec![mount("data", "/data")],
            allowed_hosts: vec!["127.0.0.1".to_string()],
            ..environment(&[("NAME", "back")])
        };
        request
    })
    .await;
    assert_eq!(host.get("/variable?NAME").await, Answer::ok("mine front, the sibling's back"));
    assert_eq!(host.get("/variable?ONLY_FRONT").await, Answer::ok("mine x, the sibling's "));
    // Two volumes at the same path.
    assert_eq!(host.get("/write?/data/file").await, Answer::ok("Ok(())"));
    assert_eq!(host.get("/read?/data/file").await, Answer::ok("Ok(\"written by the sibling\")"));
    assert!(host.get("/read-myself?/data/file").await.body.starts_with("Err("));
    assert_eq!(host.get("/write-myself?/data/mine").await, Answer::ok("Ok(())"));
    assert!(host.get("/read?/data/mine").await.body.starts_with("Err("));
    // The sibling may go where the caller may not.
    assert_eq!(host.get(&format!("/fetch?http://{allowed}/")).await, Answer::ok("Ok(\"hello\")"));
    let answer = host.get(&format!("/fetch?http://localhost:{}/", forbidden.port())).await;
    assert!(answer.body.contains("HttpRequestDenied"), "{answer:?}");
}

/// Answers every connection with `hello`.
async fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut [0; 1024]).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        }
    });
    address
}

#[tokio::test]
async fn each_component_has_its_own_memory_limit() {
    let host = running({
        let mut request = trio();
        request.workload.components[0].local_resources.memory_limit_mb = 64;
        request.workload.components[1].local_resources.memory_limit_mb = 16;
        request
    })
    .await;
    assert_eq!(host.get("/grow?8").await, Answer::ok("mine true, the sibling's true"));
    assert_eq!(host.get("/grow?32").await, Answer::ok("mine true, the sibling's false"));
    assert_eq!(host.get("/grow?128").await, Answer::ok("mine false, the sibling's false"));
}

#[tokio::test]
async fn a_sibling_that_traps_fails_the_request_and_only_that() {
    let host = running(trio()).await;
    let mut connection = host.connect().await;
    for _ in 0..3 {
        let answer = connection.get("/trap").await;
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("unreachable"), "{answer:?}");
        assert_eq!(connection.get("/values").await, Answer::ok("fine"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sibling_that_never_returns_ends_at_the_requests_deadline() {
    let mut request = trio();
    request.workload.host_interfaces[0].config = HashMap::from([("request-timeout".to_string(), "300ms".to_string())]);
    let host = running(request).await;
    for path in ["/spin", "/sleep"] {
        let answer = host.get(path).await;
        assert_eq!(answer.status, 504, "{path}: {answer:?}");
    }
    // It ends only if both guests have.
    host.end("trio").await;
}

#[tokio::test]
async fn handles_without_end_are_the_callers_own_misfortune() {
    let host = running(trio()).await;
    let answer = host.get("/leak").await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(host.get("/counters").await, Answer::ok("fine"));
}

#[tokio::test]
async fn a_component_may_stand_before_the_handler() {
    for order in [["gate", "front"], ["front", "gate"]] {
        let mut components: Vec<_> = order.map(|name| part_component(name, LocalResources::default())).into();
        components.extend(["back", "deep"].map(|name| part_component(name, LocalResources::default())));
        let host = running(workload_of("gated", components)).await;
        assert_eq!(host.get("/forbidden").await, Answer { status: 403, body: "forbidden".to_string() });
        assert_eq!(host.get("/values").await, Answer::ok("fine"));
        // The request's and the response's resources pass through, and on to a third component.
        let request = http::Request::post("/echo-by-sibling").header("host", "x").body(Full::from("body")).unwrap();
        let answer = Connection::open(host.address).await.send(request).await.unwrap();
        assert_eq!(Answer::of(answer).await.unwrap(), Answer::ok("body"));
        assert_eq!(host.get("/trap").await.status, 500);
    }
}

#[tokio::test]
async fn two_gates_before_each_other_are_ambiguous() {
    let gate = |name: &str| Component { name: name.to_string(), bytes: part("gate"), ..Component::default() };
    let err = start_error(vec![gate("one"), gate("two"), gate("three")]).await;
    let StartError::Imports { problems } = &err else { panic!("{err:?}") };
    assert_eq!(problems.len(), 3);
    assert!(
        problems
            .iter()
            .all(|problem| matches!(problem, ImportProblem::Ambiguous { providers, .. } if providers.len() == 2))
    );
}

async fn start_error(components: Vec<Component>) -> StartError {
    let host = TestHost::start().await;
    let mut request = workload_of("x", components);
    request.workload.host_interfaces.clear();
    host.host.workload_start(request).await.unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn all_missing_and_ambiguous_imports_are_one_error() {
    let component = |name| part_component(name, LocalResources::default());
    let mut second = component("deep");
    second.name = "deeper".to_string();
    let err = start_error(vec![component("front"), component("deep"), second]).await;
    let text = err.to_string();
    for expected in [
        "`front` imports test:parts/values@0.1.0, which nothing provides (add to hostInterfaces: {namespace: test, \
         package: parts, interfaces: [values]}, on a host with a plugin for it; this one has none)",
        "`front` imports test:parts/deep@0.1.0, which is provided by each of deep, deeper",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let StartError::Imports { problems } = err else { panic!("{text}") };
    // Six interfaces of the missing `back`, and one too many. The vocabulary of types is nobody's to provide.
    assert_eq!(problems.len(), 7, "{text}");
    assert!(!text.contains("vocabulary"), "{text}");
}

/// A component that exports a number.
fn number(name: &str, version: &str) -> Component {
    let bytes = from_text(&format!(
        r#"(component
            (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $n (export "get" (func $f)))
            (export "acme:number/number@{version}" (instance $n)))"#
    ));
    Component { name: name.to_string(), bytes, ..Component::default() }
}

/// A component that imports one.
fn reader(version: &str) -> Component {
    let bytes = from_text(&format!(
        r#"(component (import "acme:number/number@{version}" (instance (export "get" (func (result u32))))))"#
    ));
    Component { name: "reader".to_string(), bytes, ..Component::default() }
}

#[tokio::test]
async fn versions_of_siblings_have_to_be_compatible() {
    let host = TestHost::start().await;
    for (import, export) in [("0.1.0", "0.1.2"), ("0.1.2", "0.1.0"), ("1.0.0", "1.4.0"), ("0.0.1", "0.0.1")] {
        let mut request = workload_of("x", vec![reader(import), number("number", export)]);
        request.workload.host_interfaces.clear();
        host.host.workload_start(request).await.unwrap_or_else(|err| panic!("{import} {export}: {err:#}"));
        host.end("x").await;
    }
    for (import, export) in [("0.1.0", "0.2.0"), ("1.0.0", "2.0.0"), ("0.0.1", "0.0.2")] {
        let err = start_error(vec![reader(import), number("number", export)]).await;
        assert!(err.to_string().contains("which nothing provides"), "{import} {export}: {err}");
    }
    let err = start_error(vec![reader("0.1.0"), number("one", "0.1.1"), number("two", "0.1.2")]).await;
    assert!(err.to_string().ends_with("which is provided by each of one, two"), "{err}");
}

#[tokio::test]
async fn types_that_do_not_fit_between_siblings_are_a_link_error() {
    let odd = from_text(
        r#"(component
            (core module $m (func (export "f") (result i64) i64.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u64) (canon lift (core func $i "f")))
            (instance $n (export "get" (func $f)))
            (export "acme:number/number@0.1.0" (instance $n)))"#,
    );
    let odd = Component { name: "odd".to_string(), bytes: odd, ..Component::default() };
    let err = start_error(vec![reader("0.1.0"), odd]).await;
    assert!(matches!(&err, StartError::Link { component, .. } if component == "reader"), "{err:?}");
}
