//! Services of WASI 0.3.

use wash_runtime::host::events::HostEvent;
use wash_runtime::types::WorkloadState;

use super::concurrent;
use crate::support::{TestHost, environment, service, within_patience};

#[tokio::test]
async fn a_service_runs_to_its_end() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    host.deploy(service("runner", concurrent("runner"), environment(&[]), 0)).await;
    assert_eq!(within_patience(events.recv()).await, Ok(HostEvent::WorkloadStarted { workload_id: "runner".into() }));
    assert_eq!(within_patience(events.recv()).await, Ok(HostEvent::ServiceCompleted { workload_id: "runner".into() }));
    host.output.find("finished").await;
    assert_eq!(host.status("runner").await.workload_state, WorkloadState::Completed);
}

#[tokio::test]
async fn a_service_that_fails_begins_again_and_then_no_more() {
    for (end, cause) in
        [("fail", "it ended with a failure"), ("trap", "unreachable"), ("exit", "it exited with code 1")]
    {
        let host = TestHost::start().await;
        let mut events = host.host.events();
        host.deploy(service("runner", concurrent("runner"), environment(&[("END", end)]), 1)).await;
        within_patience(events.recv()).await.unwrap();
        let event = within_patience(events.recv()).await.unwrap();
        assert!(matches!(&event, HostEvent::ServiceRestarting { reason, .. } if reason.contains(cause)), "{event:?}");
        let event = within_patience(events.recv()).await.unwrap();
        assert!(matches!(&event, HostEvent::ServiceFailed { reason, .. } if reason.contains(cause)), "{event:?}");
    }
}

#[tokio::test]
async fn a_service_that_waits_is_ended_with_its_workload() {
    let mut host = TestHost::start().await;
    host.deploy(service("runner", concurrent("runner"), environment(&[("END", "never")]), 0)).await;
    host.output.entered(1).await;
    assert_eq!(host.status("runner").await.workload_state, WorkloadState::Running);
    host.end("runner").await;
}
