//! Services: how they begin, fail, begin again and end, and what they call.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::Receiver;
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::{HostApi, StartError};
use wash_runtime::types::{LocalResources, Service, WorkloadStartRequest, WorkloadState};

use crate::support::{
    Answer, TestHost, empty_dir, environment, from_text, hello, mount, part, part_component, service, within_patience,
    workload_of,
};

/// The service that does what it is told.
fn alone(what: &str, max_restarts: u64) -> WorkloadStartRequest {
    service("alone", part("alone"), environment(&[("DO", what)]), max_restarts)
}

fn id() -> String {
    "alone".to_string()
}

async fn next(events: &mut Receiver<HostEvent>) -> HostEvent {
    within_patience(events.recv()).await.unwrap()
}

#[tokio::test]
async fn a_service_that_finishes_completes_its_workload() {
    for what in ["finish", "exit-0"] {
        let mut host = TestHost::start().await;
        let mut events = host.host.events();
        host.deploy(alone(what, 3)).await;
        assert_eq!(next(&mut events).await, HostEvent::WorkloadStarted { workload_id: id() });
        assert_eq!(next(&mut events).await, HostEvent::ServiceCompleted { workload_id: id() });
        assert_eq!(host.output.next().await.2, "started\n");
        let status = host.status("alone").await;
        assert_eq!(
            (status.workload_state, status.message.as_str()),
            (WorkloadState::Completed, "the service has finished")
        );
        host.end("alone").await;
        assert_eq!(next(&mut events).await, HostEvent::WorkloadStopped { workload_id: id() });
        assert_eq!(host.status("alone").await.workload_state, WorkloadState::NotFound);
    }
}

#[tokio::test]
async fn a_service_that_fails_begins_again_after_growing_pauses_until_it_has_failed_too_often() {
    for (what, cause) in [("trap", "unreachable"), ("exit-1", "it exited with code 1")] {
        let mut host = TestHost::start().await;
        let mut events = host.host.events();
        host.deploy(alone(what, 2)).await;
        assert_eq!(next(&mut events).await, HostEvent::WorkloadStarted { workload_id: id() });
        for (expected, pause) in [(1, 100), (2, 200)] {
            let event = next(&mut events).await;
            let HostEvent::ServiceRestarting { restarts, after, reason, .. } = &event else { panic!("{event:?}") };
            assert_eq!((*restarts, *after), (expected, Duration::from_millis(pause)));
            assert!(reason.contains(cause), "{reason}");
            assert_eq!(host.status("alone").await.workload_state, WorkloadState::Running);
        }
        let event = next(&mut events).await;
        assert!(matches!(&event, HostEvent::ServiceFailed { reason, .. } if reason.contains(cause)), "{event:?}");
        let status = host.status("alone").await;
        assert_eq!(status.workload_state, WorkloadState::Error);
        assert!(status.message.starts_with("the service failed: "), "{status:?}");
        assert_eq!(host.output.so_far().matches("started").count(), 3);
        host.end("alone").await;
        assert_eq!(next(&mut events).await, HostEvent::WorkloadStopped { workload_id: id() });
    }
}

#[tokio::test]
async fn a_service_that_recovers_goes_on() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    let mut request = alone("trap-twice", 2);
    request.workload.volumes = vec![empty_dir("state")];
    let service = request.workload.service.as_mut().unwrap();
    service.local_resources.volume_mounts = vec![mount("state", "/state")];
    host.deploy(request).await;
    while !matches!(next(&mut events).await, HostEvent::ServiceCompleted { .. }) {}
    let runs: Vec<_> =
        host.output.so_far().lines().filter(|line| line.starts_with("run ")).map(str::to_string).collect();
    assert_eq!(runs, ["run 0", "run 1", "run 2"]);
}

#[tokio::test]
async fn a_service_may_not_take_more_memory_than_it_has() {
    let host = TestHost::start().await;
    let mut events = host.host.events();
    let mut request = alone("allocate", 0);
    request.workload.service.as_mut().unwrap().local_resources.memory_limit_mb = 32;
    host.deploy(request).await;
    assert_eq!(next(&mut events).await, HostEvent::WorkloadStarted { workload_id: id() });
    assert!(matches!(next(&mut events).await, HostEvent::ServiceFailed { .. }));
}

/// The service that calls its siblings.
fn ticking(what: &str) -> WorkloadStartRequest {
    let component = |name| part_component(name, LocalResources::default());
    let mut request = workload_of("ticking", vec![component("back"), component("deep")]);
    request.workload.host_interfaces.clear();
    let local_resources = environment(&[("DO", what)]);
    request.workload.service = Some(Service { bytes: part("ticker"), local_resources, max_restarts: 1, digest: None });
    request
}

#[tokio::test]
async fn a_service_calls_components_that_keep_no_state_and_resources_that_do() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    host.deploy(ticking("")).await;
    while !matches!(next(&mut events).await, HostEvent::ServiceCompleted { .. }) {}
    let expected: String = (1..=5).map(|tick| format!("calls 1 counter {}\n", 100 + tick)).collect();
    assert_eq!(host.output.so_far(), format!("{expected}sum 105\ndone\n"));
    // The components are still there to work.
    let status = host.status("ticking").await;
    assert_eq!(status.workload_state, WorkloadState::Running);
    assert!(status.message.contains("the service has finished"), "{status:?}");
}

#[tokio::test]
async fn a_component_that_traps_fails_the_service_that_called_it() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    host.deploy(ticking("trap-sibling")).await;
    next(&mut events).await;
    let event = next(&mut events).await;
    assert!(
        matches!(&event, HostEvent::ServiceRestarting { reason, .. } if reason.contains("unreachable")),
        "{event:?}"
    );
    assert!(matches!(next(&mut events).await, HostEvent::ServiceFailed { .. }));
    assert_eq!(host.output.so_far().matches("started").count(), 2);
}

/// On one thread, so that a service which ran there would be felt.
#[tokio::test]
async fn services_that_spin_keep_nobody_waiting_and_can_be_stopped() {
    let mut host = TestHost::start().await;
    for spinner in 0..8 {
        host.deploy(service(&format!("spinner-{spinner}"), part("alone"), environment(&[("DO", "spin")]), 0)).await;
        host.output.find("started").await;
    }
    // Neither another service, nor requests, nor this thread's own work.
    host.deploy(service("ticker", part("alone"), environment(&[("DO", "tick")]), 0)).await;
    for _ in 0..5 {
        host.output.find("tick").await;
    }
    host.run("hello", hello(), LocalResources::default()).await;
    for _ in 0..5 {
        assert_eq!(host.get("/").await.status, 200);
    }
    // Each turn would last as long as eight guests may compute before they let others run.
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    let mut events = host.host.events();
    for spinner in 0..8 {
        let id = format!("spinner-{spinner}");
        host.end(&id).await;
        assert_eq!(next(&mut events).await, HostEvent::WorkloadStopped { workload_id: id });
    }
    within_patience(host.host.stop()).await.unwrap();
}

#[tokio::test]
async fn a_service_may_export_one_interface_instead_of_a_program() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    host.deploy(service("keeper", part("keeper"), LocalResources::default(), 3)).await;
    assert_eq!(next(&mut events).await, HostEvent::WorkloadStarted { workload_id: "keeper".to_string() });
    assert_eq!(host.output.next().await.2, "started\n");
    // It stays: nothing more is heard of it, and it has not been started again.
    host.deploy(alone("finish", 0)).await;
    while !matches!(next(&mut events).await, HostEvent::ServiceCompleted { workload_id } if workload_id == "alone") {}
    assert_eq!(host.status("keeper").await.workload_state, WorkloadState::Running);
    assert_eq!(host.output.so_far().matches("started").count(), 1);
    host.end("keeper").await;
}

#[tokio::test]
async fn a_service_without_a_program_and_without_one_interface_is_refused() {
    let refused = async |bytes: Bytes| {
        let host = TestHost::start().await;
        let mut request = service("x", bytes, LocalResources::default(), 0);
        request.workload.components = vec![part_component("deep", LocalResources::default())];
        host.host.workload_start(request).await.unwrap_err()
    };
    let err = refused(from_text("(component)")).await;
    assert_eq!(err.to_string(), "the service must export wasi:cli/run or exactly one interface, it exports nothing");
    let err = refused(part("back")).await;
    assert!(
        matches!(err.downcast_ref(), Some(StartError::ServiceExports { exports }) if exports.len() == 6),
        "{err:#}"
    );
    // A function of its own is no interface.
    let err = refused(from_text(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#,
    ))
    .await;
    assert!(matches!(err.downcast_ref(), Some(StartError::ServiceExports { .. })), "{err:#}");
}

#[tokio::test]
async fn http_requests_find_their_component_beside_a_service() {
    let mut host = TestHost::start().await;
    let mut request = alone("tick", 0);
    request.workload.components = crate::support::request("x", hello(), LocalResources::default()).workload.components;
    request.workload.host_interfaces = vec!["wasi:http/incoming-handler".parse().unwrap()];
    host.deploy(request).await;
    host.output.find("tick").await;
    assert_ne!(host.get("/").await, Answer::ok(""));
    assert_eq!(host.get("/").await.status, 200);
    host.end("alone").await;
}
