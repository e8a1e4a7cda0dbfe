//! One version replaces another while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use wash_runtime::engine::CompileError;
use wash_runtime::host::{HostApi, StartError};
use wash_runtime::types::{LocalResources, WorkloadState, WorkloadStatusRequest, WorkloadStopRequest};

use crate::support::{
    Answer, Connection, TestHost, chunked_echo, environment, get, next_chunk, probe, within_patience,
};

const SWAPS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_connection_sees_an_older_version_again() {
    let host = TestHost::start().await;
    host.run("0", probe(), environment(&[("VERSION", "0")])).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(watch_versions(host.address, Arc::clone(&done)))).collect();

    for version in 1..=SWAPS {
        let text = version.to_string();
        host.run(&text, probe(), environment(&[("VERSION", &text)])).await;
        let stopped = host.end(&(version - 1).to_string()).await;
        assert_eq!(stopped.workload_status.workload_state, WorkloadState::Completed);
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        let versions = within_patience(client).await.unwrap();
        assert_eq!(versions.last(), Some(&SWAPS));
        assert!(versions.is_sorted(), "{versions:?}");
    }
}

/// Asks for the version on one connection until told to end; the last answer comes after that.
async fn watch_versions(address: std::net::SocketAddr, done: Arc<AtomicBool>) -> Vec<u32> {
    let mut connection = Connection::open(address).await;
    let mut versions = Vec::new();
    loop {
        let last = done.load(Ordering::Relaxed);
        let answer = connection.get("/version").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        versions.push(answer.body.parse().unwrap());
        if last {
            return versions;
        }
    }
}

#[tokio::test]
async fn a_request_in_flight_finishes_on_the_version_it_began_on() {
    let host = TestHost::start().await;
    host.run("old", probe(), environment(&[("VERSION", "old")])).await;
    let (chunks, request) = chunked_echo();
    let mut connection = host.connect().await;
    chunks.send("one").unwrap();
    let mut response = connection.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");

    host.run("new", probe(), environment(&[("VERSION", "new")])).await;
    assert_eq!(host.get("/version").await, Answer::ok("new"));
    let stopping = tokio::spawn({
        let host = Arc::clone(&host.host);
        async move { host.workload_stop(WorkloadStopRequest { workload_id: "old".to_string() }).await }
    });
    while state(&host, "old").await == WorkloadState::Running {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&host, "old").await, WorkloadState::Stopping);

    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
    assert!(!stopping.is_finished());
    drop(chunks);
    assert!(within_patience(response.body_mut().frame()).await.is_none());
    let stopped = within_patience(stopping).await.unwrap().unwrap();
    assert_eq!(stopped.workload_status.workload_state, WorkloadState::Completed);
    assert_eq!(state(&host, "old").await, WorkloadState::NotFound);
}

async fn state(host: &TestHost, id: &str) -> WorkloadState {
    let request = WorkloadStatusRequest { workload_id: id.to_string() };
    host.host.workload_status(request).await.unwrap().workload_status.workload_state
}

#[tokio::test]
async fn a_version_that_cannot_start_leaves_the_old_one_serving() {
    let host = TestHost::start().await;
    host.run("good", probe(), environment(&[("VERSION", "good")])).await;
    let mut connection = host.connect().await;
    for (bytes, resources) in [
        (Bytes::from_static(b"not wasm"), LocalResources::default()),
        (probe().slice(..1000), LocalResources::default()),
        (probe(), environment(&[("TRAP_AT_START", "1")])),
    ] {
        let err = host.try_run("bad", bytes, resources).await.unwrap_err();
        assert!(err.downcast_ref::<StartError>().is_some(), "{err:#}");
        assert_eq!(state(&host, "bad").await, WorkloadState::NotFound);
        assert_eq!(connection.get("/version").await, Answer::ok("good"));
    }
    // A failed start does not use up its id.
    host.run("bad", probe(), environment(&[("VERSION", "better")])).await;
    assert_eq!(connection.get("/version").await, Answer::ok("better"));
    let err = host.try_run("bad", Bytes::new(), LocalResources::default()).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::IdInUse { .. })), "{err:#}");
}

#[tokio::test]
async fn stopping_the_newest_version_brings_back_the_one_before_it() {
    let host = TestHost::start().await;
    host.run("1", probe(), environment(&[("VERSION", "1")])).await;
    host.run("2", probe(), environment(&[("VERSION", "2")])).await;
    assert_eq!(host.get("/version").await, Answer::ok("2"));
    host.end("2").await;
    assert_eq!(host.get("/version").await, Answer::ok("1"));
    host.end("1").await;
    assert_eq!(host.connect().await.send(get("/version")).await.unwrap().status(), 503);
    assert_eq!(host.end("1").await.workload_status.workload_state, WorkloadState::NotFound);
}

#[tokio::test]
async fn truncated_components_are_compile_errors() {
    let host = TestHost::start().await;
    let err = host.try_run("x", probe().slice(..1000), LocalResources::default()).await.unwrap_err();
    let Some(StartError::Compile { source: CompileError::Invalid(_), .. }) = err.downcast_ref() else {
        panic!("{err:#}");
    };
}
