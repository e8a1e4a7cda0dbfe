//! One workload takes the place of another.

use wash_runtime::engine::{Builds, Engine};
use wash_runtime::host::{HostBuilder, ServiceFate, StartError};
use wash_runtime::types::{LocalResources, Service, WorkloadStartRequest};

use crate::support::{
    Answer, TestHost, environment, from_text, part, part_component, probe, request, within_patience, workload_of,
};

/// A workload of the probe in a version.
fn version(id: &str, version: &str) -> WorkloadStartRequest {
    request(id, probe(), environment(&[("VERSION", version)]))
}

/// The same with a service that says when it starts.
fn with_service(mut request: WorkloadStartRequest, local_resources: LocalResources) -> WorkloadStartRequest {
    let bytes = part("alone");
    request.workload.service = Some(Service { bytes, digest: None, local_resources, max_restarts: 0 });
    request
}

async fn replace(host: &TestHost, old: Option<&str>, request: WorkloadStartRequest) -> ServiceFate {
    within_patience(host.host.workload_replace(old, request)).await.unwrap().service
}

#[tokio::test(flavor = "multi_thread")]
async fn new_requests_go_to_the_new_workload_at_once() {
    let host = TestHost::start().await;
    assert_eq!(replace(&host, None, version("one", "1")).await, ServiceFate::None);
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/version").await, Answer::ok("1"));
    replace(&host, Some("one"), version("two", "2")).await;
    assert_eq!(connection.get("/version").await, Answer::ok("2"));
    assert_eq!(host.get("/version").await, Answer::ok("2"));
    host.end("one").await;
    assert_eq!(connection.get("/version").await, Answer::ok("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_the_same_goes_on() {
    let mut host = TestHost::start().await;
    let service = || environment(&[("DO", "wait")]);
    assert_eq!(replace(&host, None, with_service(version("one", "1"), service())).await, ServiceFate::Started);
    host.output.find("started").await;
    assert_eq!(replace(&host, Some("one"), with_service(version("two", "2"), service())).await, ServiceFate::Kept);
    host.end("one").await;
    host.output.find("tick").await;
    // It is another one with another environment.
    let other = environment(&[("DO", "wait"), ("MORE", "1")]);
    assert_eq!(replace(&host, Some("two"), with_service(version("three", "3"), other)).await, ServiceFate::Started);
    host.output.find("started").await;
    host.end("two").await;
    assert_eq!(replace(&host, Some("three"), version("four", "4")).await, ServiceFate::None);
    host.end("three").await;
    host.output.so_far();
    assert_eq!(host.get("/version").await, Answer::ok("4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_leaves_the_old_workload_and_its_service() {
    let mut host = TestHost::start().await;
    let service = || environment(&[("DO", "wait")]);
    replace(&host, None, with_service(version("one", "1"), service())).await;
    let broken = request("two", from_text("(component)"), LocalResources::default());
    let err = host.host.workload_replace(Some("one"), with_service(broken, service())).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::NoHandler { .. })), "{err:#}");
    for behaviour in ["trap", "exit-1"] {
        let failing = with_service(version("two", "2"), environment(&[("DO", behaviour)]));
        let err = host.host.workload_replace(Some("one"), failing).await.unwrap_err();
        assert!(matches!(err.downcast_ref(), Some(StartError::Start { .. })), "{err:#}");
    }
    assert_eq!(host.get("/version").await, Answer::ok("1"));
    host.output.find("tick").await;
    // The id was given back.
    assert_eq!(replace(&host, Some("one"), with_service(version("two", "2"), service())).await, ServiceFate::Kept);
    let err = host.host.workload_replace(Some("none"), version("three", "3")).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::NotRunning { .. })), "{err:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_handles_of_its_siblings_starts_again() {
    let mut host = TestHost::start().await;
    let parts = |id: &str| {
        let mut request = workload_of(id, vec![part_component("back", LocalResources::default())]);
        request.workload.host_interfaces.clear();
        request.workload.components.push(part_component("deep", LocalResources::default()));
        let (bytes, local_resources) = (part("ticker"), LocalResources::default());
        request.workload.service = Some(Service { bytes, digest: None, local_resources, max_restarts: 0 });
        request
    };
    assert_eq!(replace(&host, None, parts("one")).await, ServiceFate::Started);
    host.output.find("done").await;
    assert_eq!(replace(&host, Some("one"), parts("two")).await, ServiceFate::Started);
    host.output.find("done").await;
}

/// A host whose engine expects successive builds.
async fn development_host() -> TestHost {
    let engine = Engine::builder().with_builds(Builds::Successive).build().unwrap();
    TestHost::build(HostBuilder::new().with_engine(engine)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_are_taken_apart_do_what_they_did() {
    let host = development_host().await;
    host.run("probe", probe(), environment(&[("VERSION", "1")])).await;
    assert_eq!(host.get("/version").await, Answer::ok("1"));
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
    host.end("probe").await;
    host.run("hello", crate::support::hello(), LocalResources::default()).await;
    for _ in 0..100 {
        assert_eq!(host.get("/").await, Answer::ok("Hello from wasmCloud!\n"));
    }
}
