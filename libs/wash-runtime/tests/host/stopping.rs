//! The end of a host: what is in flight finishes, what does not finish is cut off.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::net::TcpStream;
use wash_runtime::host::{HostApi, StartError};
use wash_runtime::types::{LocalResources, WorkloadState, WorkloadStatusRequest};

use crate::support::{Http2, TestHost, chunked, chunked_echo, get, next_chunk, probe, request, within_patience};

#[tokio::test]
async fn a_request_in_flight_finishes_before_the_host_has_stopped() {
    let host = TestHost::running_probe().await;
    let mut idle = host.connect().await;
    assert_eq!(idle.get("/print").await.status, 200);
    let (chunks, request) = chunked_echo();
    let mut connection = host.connect().await;
    chunks.send("one").unwrap();
    let mut response = connection.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");

    let stopping = tokio::spawn({
        let host = Arc::clone(&host.host);
        async move { host.stop().await }
    });
    // The listener closes at once.
    within_patience(async { while TcpStream::connect(host.address).await.is_ok() {} }).await;
    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
    assert!(!stopping.is_finished());
    drop(chunks);
    assert!(within_patience(response.body_mut().frame()).await.is_none());
    within_patience(stopping).await.unwrap().unwrap();
    assert!(idle.send(get("/print")).await.is_err(), "an idle connection should be closed");
}

#[tokio::test]
async fn requests_of_http2_finish_before_the_host_has_stopped() {
    let host = TestHost::running_probe().await;
    let mut idle = Http2::open(host.address).await;
    assert_eq!(idle.get("/print").await.status, 200);
    let (chunks, request) = chunked("http://test.example/echo");
    let mut connection = Http2::open(host.address).await;
    chunks.send("one").unwrap();
    let mut response = connection.send(request).await.unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "one");

    let stopping = tokio::spawn({
        let host = Arc::clone(&host.host);
        async move { host.stop().await }
    });
    // Nothing new begins on either connection.
    for connection in [&mut idle, &mut connection] {
        within_patience(async { while connection.send(get("http://test.example/print")).await.is_ok() {} }).await;
    }
    chunks.send("two").unwrap();
    assert_eq!(next_chunk(response.body_mut()).await, "two");
    assert!(!stopping.is_finished());
    drop(chunks);
    assert_eq!(within_patience(response.into_body().collect()).await.unwrap().to_bytes(), "");
    within_patience(stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off() {
    let mut host = TestHost::with_drain_timeout(Duration::from_millis(50)).await;
    host.run("probe", probe(), LocalResources::default()).await;
    let mut connection = host.connect().await;
    let request = tokio::spawn(async move { connection.send(get("/never")).await.map(|_| ()) });
    host.output.entered(1).await;
    within_patience(host.host.stop()).await.unwrap();
    assert!(within_patience(request).await.unwrap().is_err());
}

#[tokio::test]
async fn a_request_that_outlasts_its_workload_is_answered() {
    let mut host = TestHost::with_drain_timeout(Duration::from_millis(50)).await;
    host.run("probe", probe(), LocalResources::default()).await;
    let mut connection = host.connect().await;
    let request = tokio::spawn(async move { connection.get("/never").await });
    host.output.entered(1).await;
    host.end("probe").await;
    let answer = within_patience(request).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "the workload stopped during this request\n"));
}

#[tokio::test]
async fn a_stopped_host_starts_nothing() {
    let host = TestHost::running_probe().await;
    within_patience(host.host.stop()).await.unwrap();
    let start = host.host.workload_start(request("late", probe(), LocalResources::default()));
    let err = start.await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::HostStopped)), "{err:#}");
    let status = host.host.workload_status(WorkloadStatusRequest { workload_id: "probe".to_string() });
    assert_eq!(status.await.unwrap().workload_status.workload_state, WorkloadState::NotFound);
    within_patience(host.host.stop()).await.unwrap();
}
