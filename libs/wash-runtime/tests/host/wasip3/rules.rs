//! What holds for guests of WASI 0.2 holds for these: limits, deadlines, whom they may talk to.

use std::time::Duration;

use http_body_util::BodyExt;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use wash_runtime::engine::code_cache::CodeCache;
use wash_runtime::engine::{CodeOrigin, Engine};
use wash_runtime::host::HostBuilder;
use wash_runtime::types::LocalResources;

use super::serving::with_config;
use super::{concurrent, running};
use crate::support::{
    Answer, TestHost, chunked, empty_dir, get, mount, mounting, next_chunk, probe, request, within_patience,
};
use crate::upstream::Upstream;

#[tokio::test]
async fn a_guest_that_fails_is_a_failed_request() {
    let host = running(LocalResources::default()).await;
    let mut connection = host.connect().await;
    let answer = connection.get("/trap").await;
    assert!(answer.status == 500 && answer.body.contains("unreachable"), "{answer:?}");
    let answer = connection.get("/error").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("answered with an error instead of a response"), "{answer:?}");
    assert!(answer.body.contains("ConfigurationError"), "{answer:?}");
    let mut response = connection.send(get("/stream-and-trap")).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "chunk");
    within_patience(response.body_mut().collect()).await.unwrap_err();
    assert_eq!(host.get("/empty").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_spin_or_wait_end_at_their_deadline_and_disturb_nobody() {
    let mut host = TestHost::start().await;
    host.deploy(with_config("request-timeout", "500ms")).await;
    let mut late = JoinSet::new();
    for path in ["/spin", "/spin", "/spin", "/never"] {
        let mut connection = host.connect().await;
        late.spawn(async move { connection.get(path).await });
    }
    host.output.entered(4).await;
    assert_eq!(host.get("/empty").await.status, 200);
    while let Some(answer) = within_patience(late.join_next()).await {
        let answer = answer.unwrap();
        assert!(answer.status == 504 && answer.body.contains("time limit of 500ms"), "{answer:?}");
    }
    // What a guest does after its response has a limit too.
    assert_eq!(host.get("/afterwards-forever").await, Answer::ok("sent"));
    host.output.entered(1).await;
    host.end("handler").await;
    assert!(!host.output.so_far().contains("afterwards"));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_guest_along() {
    let mut host = running(LocalResources::default()).await;
    let waiting = tokio::spawn({
        let mut connection = host.connect().await;
        async move { connection.get("/never").await }
    });
    host.output.entered(1).await;
    waiting.abort();
    let mut connection = host.connect().await;
    let mut streaming = connection.send(get("/stream-forever")).await.unwrap();
    assert!(within_patience(streaming.body_mut().frame()).await.unwrap().is_ok());
    drop((streaming, connection));
    let (chunks, request) = chunked("/length");
    chunks.send("one").unwrap();
    let sending = tokio::spawn({
        let mut connection = host.connect().await;
        async move { connection.send(request).await.is_ok() }
    });
    host.output.entered(1).await;
    sending.abort();
    drop(chunks);
    // The stop waits for guests, so it ends only if all of them have been ended.
    host.end("handler").await;
}

#[tokio::test]
async fn memory_and_files_have_their_limits() {
    // Few enough that the limit of files comes before that of handles.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.current.map(|files| files.min(8_192));
    setrlimit(Resource::Nofile, files).unwrap();
    let host = TestHost::start().await;
    let mut request = request("handler", concurrent("handler"), LocalResources::default());
    request.workload.volumes = vec![empty_dir("data")];
    let resources = LocalResources { memory_limit_mb: 64, ..mounting(mount("data", "/data")) };
    request.workload.components[0].local_resources = resources;
    host.deploy(request).await;
    assert_eq!(host.get("/grow?32").await, Answer::ok("grown"));
    assert_eq!(host.get("/grow?64").await, Answer::ok("refused"));
    assert_eq!(host.get("/open-many").await, Answer::ok("true ErrorCode::InsufficientMemory"));
    assert_eq!(host.get("/file").await, Answer::ok("written with streams"));
}

#[tokio::test]
async fn headers_have_their_limit() {
    let host = running(LocalResources::default()).await;
    let answer = host.get("/hoard").await;
    assert!(answer.status == 500 && answer.body.contains("more than 16777216 bytes of headers"), "{answer:?}");
    assert_eq!(host.get("/empty").await.status, 200);
}

#[tokio::test]
async fn requests_leave_where_the_workload_allows_it() {
    let upstream = Upstream::start().await;
    for (allowed, expected) in [(vec![], None), (vec!["other.example"], Some("HttpRequestDenied"))] {
        let allowed_hosts = allowed.iter().map(ToString::to_string).collect();
        let host = running(LocalResources { allowed_hosts, ..LocalResources::default() }).await;
        let answer = host.get(&format!("/fetch?{}", upstream.url("/spoken"))).await;
        match expected {
            None => assert_eq!(answer, Answer::ok(&format!("HTTP/1.1 host={} authority=", upstream.address))),
            Some(code) => assert!(answer.status == 502 && answer.body.contains(code), "{answer:?}"),
        }
    }
    let host = running(LocalResources::default()).await;
    let answer = host.get("/fetch?http://169.254.169.254/").await;
    assert!(answer.status == 502 && answer.body.contains("DestinationIpProhibited"), "{answer:?}");
}

#[tokio::test]
async fn output_arrives_over_streams_too() {
    let mut host = running(LocalResources::default()).await;
    assert_eq!(host.get("/print").await, Answer::ok("Ok(())"));
    host.output.find("to standard output\n").await;
}

#[test]
fn each_engine_has_its_entries_in_the_cache() {
    let directory = tempfile::tempdir().unwrap();
    for expected in [CodeOrigin::Compiled, CodeOrigin::Cache] {
        let cache = CodeCache::open(directory.path().join("code")).unwrap();
        let engine = Engine::builder().with_max_instances(16).with_code_cache(cache).build().unwrap();
        for bytes in [concurrent("helper"), probe()] {
            let (held, origin) = engine.load(&bytes).unwrap();
            assert_eq!(origin, expected);
            let (_, again) = engine.load(&bytes).unwrap();
            assert_eq!(again, CodeOrigin::Memory);
            let digest = held.digest();
            assert_eq!(engine.load_compiled(digest).unwrap().1, CodeOrigin::Memory);
            drop(held);
            assert_eq!(engine.load_compiled(digest).unwrap().1, CodeOrigin::Cache);
        }
    }
}

/// How many clocks of engines tick in this process. Tests that run beside this one are in other processes.
#[cfg(target_os = "linux")]
fn clocks() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "wash-epoch").count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_second_engine_comes_with_the_first_component_that_needs_it() {
    let engine = Engine::builder().with_max_instances(16).build().unwrap();
    let host = TestHost::build(HostBuilder::new().with_engine(engine)).await;
    host.run("probe", probe(), LocalResources::default()).await;
    let before = clocks();
    assert_eq!(host.host.metrics().pool.map(|pool| pool.max_instances), Some(16));
    host.run("handler", concurrent("handler"), LocalResources::default()).await;
    host.run("another", concurrent("handler"), LocalResources::default()).await;
    assert_eq!(clocks(), before + 1);
    assert_eq!(host.host.metrics().pool.map(|pool| pool.max_instances), Some(32));
    assert_eq!(host.get("/empty").await.status, 200);
    tokio::time::timeout(Duration::from_secs(60), host.host.stop()).await.unwrap().unwrap();
}
