//! Services that export one interface instead of a program: what components that call them find.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinSet;
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::{HostApi, ImportProblem, StartError};
use wash_runtime::types::{LocalResources, Service, WorkloadStartRequest, WorkloadState};

use crate::support::{
    Answer, Connection, TestHost, from_text, get, part, part_component, within_patience, workload_of,
};

/// A component that asks a service, and the service.
fn bank(max_restarts: u64) -> WorkloadStartRequest {
    let mut request = workload_of("bank", vec![part_component("teller", LocalResources::default())]);
    request.workload.service =
        Some(Service { bytes: part("tally"), local_resources: LocalResources::default(), max_restarts, digest: None });
    request
}

async fn running(request: WorkloadStartRequest) -> TestHost {
    let host = TestHost::start().await;
    host.deploy(request).await;
    host
}

async fn next(events: &mut Receiver<HostEvent>) -> HostEvent {
    within_patience(events.recv()).await.unwrap()
}

#[tokio::test]
async fn a_service_keeps_its_state_from_call_to_call() {
    let host = running(bank(0)).await;
    // Each request has a component of its own, and all have the one service.
    for sum in [1, 2, 3] {
        assert_eq!(host.get("/add?1").await, Answer::ok(&sum.to_string()));
    }
    assert_eq!(host.get("/greet?ann").await, Answer::ok("ann 1"));
    assert_eq!(host.get("/greet?bob").await, Answer::ok("ann 1, bob 1"));
    assert_eq!(host.get("/greet?ann").await, Answer::ok("ann 2, bob 1"));
    // From outside it is the same service.
    assert_eq!(host.host.invoke("bank", "tally#add(10)", None).await.unwrap().wave().unwrap(), "13");
    assert_eq!(host.get("/add?0").await, Answer::ok("13"));
    // A new life begins anew.
    host.end("bank").await;
    host.deploy(bank(0)).await;
    assert_eq!(host.get("/add?5").await, Answer::ok("5"));
    host.end("bank").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_served_in_turn() {
    let mut host = running(bank(0)).await;
    let mut clients = JoinSet::new();
    for client in 0..12 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.get(&format!("/slow?{client}")).await });
    }
    for _ in 0..50 {
        let mut connection = host.connect().await;
        clients.spawn(async move {
            let answer = connection.get("/add?1").await;
            assert_eq!(answer.status, 200);
            Answer::ok("slow")
        });
    }
    while let Some(answer) = within_patience(clients.join_next()).await {
        assert_eq!(answer.unwrap(), Answer::ok("slow"));
    }
    assert_eq!(host.get("/add?0").await, Answer::ok("50"));
    // Each one's end follows its beginning.
    let said = host.output.so_far();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 24);
    for pair in lines.chunks(2) {
        assert_eq!(pair[0].strip_prefix("begin "), pair[1].strip_prefix("end "), "{said}");
    }
}

#[tokio::test]
async fn callers_are_told_that_a_service_failed_and_starts_again() {
    let host = running(bank(10)).await;
    // On a busy machine it may be there again before a request arrives; each pause is twice as long as the one before.
    let response = loop {
        let answer = host.get("/trap").await;
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("the workload's service failed on this call: "), "{answer:?}");
        assert!(answer.body.contains("unreachable"), "{answer:?}");
        let response = host.connect().await.send(get("/add?1")).await.unwrap();
        if response.status() != StatusCode::OK {
            break response;
        }
    };
    // At once, and to come back.
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    let answer = Answer::of(response).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "the workload's service is starting again after a failure\n")
    );
    host.end("bank").await;
}

#[tokio::test]
async fn a_service_that_traps_starts_again_with_nothing_until_it_is_given_up() {
    let host = running(bank(2)).await;
    let mut events = host.host.events();
    assert_eq!(host.get("/add?7").await, Answer::ok("7"));
    assert_eq!(host.get("/trap").await.status, 500);
    let event = next(&mut events).await;
    assert!(
        matches!(&event, HostEvent::ServiceRestarting { restarts: 1, after, .. } if *after == Duration::from_millis(100)),
        "{event:?}"
    );
    let served_again = async {
        loop {
            match host.get("/add?1").await {
                answer if answer.status == 503 => tokio::time::sleep(Duration::from_millis(10)).await,
                answer => return answer,
            }
        }
    };
    assert_eq!(within_patience(served_again).await, Answer::ok("1"));
    assert_eq!(host.host.metrics().workloads[0].service_restarts, 1);

    // It is given up after as many restarts as it has.
    for restart in [2, 3] {
        assert_eq!(host.get("/trap").await.status, 500, "{restart}");
        let event = next(&mut events).await;
        match event {
            HostEvent::ServiceRestarting { restarts, after, .. } => {
                assert_eq!((restarts, after), (2, Duration::from_millis(200)));
                while host.get("/add?1").await.status != 200 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            HostEvent::ServiceFailed { .. } => assert_eq!(restart, 3),
            other => panic!("{other:?}"),
        }
    }
    let answer = host.get("/add?1").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("the workload's service has failed and is not started again"), "{answer:?}");
    assert_eq!(host.status("bank").await.workload_state, WorkloadState::Error);
    // The component itself still answers.
    assert_eq!(host.get("/").await, Answer::ok("teller"));
    host.end("bank").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_turns_away_those_who_wait_in_line() {
    let mut host = running(bank(1)).await;
    let mut clients = JoinSet::new();
    let address = host.address;
    let mut send = async |path: &'static str| {
        let mut connection = Connection::open(address).await;
        clients.spawn(async move { (path, connection.get(path).await.status) });
    };
    send("/slow?first").await;
    host.output.find("begin first").await;
    for path in ["/trap", "/trap", "/trap", "/trap"] {
        send(path).await;
    }
    let mut failed = 0;
    while let Some(answer) = within_patience(clients.join_next()).await {
        match answer.unwrap() {
            ("/slow?first", status) => assert_eq!(status, 200),
            (_, 500) => failed += 1,
            (_, status) => assert_eq!(status, 503),
        }
    }
    // One was on its call when it trapped.
    assert_eq!(failed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_leaves_the_line() {
    let mut request = bank(0);
    request.workload.host_interfaces[0].config = HashMap::from([("request-timeout".to_string(), "300ms".to_string())]);
    let mut host = running(request).await;
    let mut hanging = host.connect().await;
    let hanging = tokio::spawn(async move { hanging.get("/hang").await });
    host.output.find("hanging").await;
    for _ in 0..3 {
        let answer = host.get("/add?1").await;
        assert_eq!(answer.status, 504);
        assert!(answer.body.contains("300ms"), "{answer:?}");
    }
    assert_eq!(within_patience(hanging).await.unwrap().status, 504);
    // The workload stops although its service still hangs.
    host.end("bank").await;
}

#[tokio::test]
async fn calls_in_a_circle_are_refused() {
    let host = running(bank(1)).await;
    let answer = host.get("/circle").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("is called while it waits for a call of its own"), "{answer:?}");
}

#[tokio::test]
async fn what_a_service_cannot_share_is_said() {
    let host = TestHost::start().await;
    let refused = async |request: WorkloadStartRequest| {
        let err = host.host.workload_start(request).await.unwrap_err();
        format!("{err:#}")
    };
    let mut request = bank(0);
    request.workload.components = vec![part_component("front", LocalResources::default())];
    request.workload.components.push(part_component("deep", LocalResources::default()));
    request.workload.service.as_mut().unwrap().bytes = part("keeper");
    // Its counters are resources; the rest of what the component imports is nowhere.
    let text = refused(request.clone()).await;
    assert!(text.contains("test:parts/values") && !text.contains("test:parts/counters"), "{text}");
    request.workload.components = vec![crate::support::request("x", counting(), LocalResources::default())]
        .into_iter()
        .flat_map(|request| request.workload.components)
        .collect();
    request.workload.host_interfaces.clear();
    let text = refused(request).await;
    assert!(text.contains("the service cannot share its resource `counter`"), "{text}");
}

/// A component that imports counters.
fn counting() -> bytes::Bytes {
    from_text(
        r#"(component
            (import "test:parts/counters@0.1.0" (instance
                (export "counter" (type (sub resource)))
                (export "calls" (func (result u32))))))"#,
    )
}

#[tokio::test]
async fn components_come_before_the_service_and_a_program_is_not_called() {
    // A component that exports the same goes first.
    let tally = from_text(
        r#"(component
            (core module $m (func (export "add") (param i32) (result i32) (i32.const 42)))
            (core instance $i (instantiate $m))
            (func $add (param "n" u32) (result u32) (canon lift (core func $i "add")))
            (instance $tally (export "add" (func $add)))
            (export "test:parts/tally@0.1.0" (instance $tally)))"#,
    );
    let caller = from_text(
        r#"(component
            (import "test:parts/tally@0.1.0" (instance $tally (export "add" (func (param "n" u32) (result u32)))))
            (alias export $tally "add" (func $add))
            (core func $add-core (canon lower (func $add)))
            (core module $m
                (import "t" "add" (func $add (param i32) (result i32)))
                (func (export "ask") (result i32) (call $add (i32.const 1))))
            (core instance $i (instantiate $m (with "t" (instance (export "add" (func $add-core))))))
            (func (export "ask") (result u32) (canon lift (core func $i "ask"))))"#,
    );
    // What the service itself imports.
    let ringer = from_text(
        r#"(component
            (core module $m (func (export "ring") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $ring (result u32) (canon lift (core func $i "ring")))
            (instance $ringer (export "ring" (func $ring)))
            (export "test:parts/ring@0.1.0" (instance $ringer)))"#,
    );
    let component = |name: &str, bytes: &bytes::Bytes| {
        let mut component = part_component("deep", LocalResources::default());
        component.name = name.to_string();
        component.bytes = bytes.clone();
        component
    };
    let host = TestHost::start().await;
    let mut request = bank(0);
    request.workload.host_interfaces.clear();
    request.workload.components = vec![component("caller", &caller), component("ringer", &ringer)];
    host.deploy(request.clone()).await;
    assert_eq!(host.host.invoke("bank", "ask()", None).await.unwrap().wave().unwrap(), "1");
    host.end("bank").await;
    request.workload.components.push(component("tally", &tally));
    host.deploy(request.clone()).await;
    assert_eq!(host.host.invoke("bank", "ask()", None).await.unwrap().wave().unwrap(), "42");
    host.end("bank").await;

    // What runs by itself cannot be called meanwhile.
    request.workload.components = vec![component("caller", &caller)];
    let program = r#"(component
        (core module $m (func (export "run") (result i32) (i32.const 0)) (func (export "add") (param i32) (result i32)
            (i32.const 42)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli))
        (func $add (param "n" u32) (result u32) (canon lift (core func $i "add")))
        (instance $tally (export "add" (func $add)))
        (export "test:parts/tally@0.1.0" (instance $tally)))"#;
    request.workload.service.as_mut().unwrap().bytes = from_text(program);
    let err = host.host.workload_start(request).await.unwrap_err();
    let Some(StartError::Imports { problems }) = err.downcast_ref() else { panic!("{err:#}") };
    assert!(matches!(&problems[..], [ImportProblem::Missing { .. }]), "{problems:?}");
}
