//! Workloads that are loaded by their requests: when they are, how often, what a failure means, and when they go again.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinSet;
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::http::{DevRouter, DynamicRouter, HttpServer};
use wash_runtime::host::lazy::{ComponentSource, LazyLimits, Registration};
use wash_runtime::host::{HostApi, HostBuilder, StartError};
use wash_runtime::plugin::wasi_config::DynamicConfig;
use wash_runtime::types::{
    HostPathVolume, LocalResources, Service, Volume, VolumeType, WorkloadStartRequest, WorkloadState,
};

use crate::support::{
    Answer, Connection, TestHost, empty_dir, environment, get, hello, part, part_component, probe, request,
    within_patience, workload_of,
};

/// Gives a component, and knows how often. It can be told to be slow, or to have nothing.
#[derive(Default)]
struct Shelf {
    bytes: Bytes,
    reads: AtomicUsize,
    is_empty: AtomicBool,
    /// Whether reads wait; and that it has changed.
    closed: (Mutex<bool>, Condvar),
}

impl Shelf {
    fn of(bytes: Bytes) -> Arc<Self> {
        Arc::new(Self { bytes, ..Self::default() })
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn set_closed(&self, closed: bool) {
        *self.closed.0.lock().unwrap() = closed;
        self.closed.1.notify_all();
    }
}

impl ComponentSource for Shelf {
    fn read(&self, component: &str) -> io::Result<Bytes> {
        assert_eq!(component, "component");
        self.reads.fetch_add(1, Ordering::SeqCst);
        let closed = self.closed.1.wait_while(self.closed.0.lock().unwrap(), |closed| *closed);
        drop(closed.unwrap());
        if self.is_empty.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the shelf is empty"));
        }
        Ok(self.bytes.clone())
    }
}

fn asleep(id: &str) -> WorkloadStartRequest {
    request(id, Bytes::new(), environment(&[("VERSION", id)]))
}

async fn register(host: &TestHost, request: WorkloadStartRequest, shelf: &Arc<Shelf>) -> Registration {
    host.host.workload_register(request, Arc::clone(shelf) as _).await.unwrap()
}

async fn next(events: &mut Receiver<HostEvent>) -> HostEvent {
    within_patience(events.recv()).await.unwrap()
}

fn registered(id: &str) -> HostEvent {
    HostEvent::WorkloadRegistered { workload_id: id.to_string() }
}

fn loaded(id: &str) -> HostEvent {
    HostEvent::WorkloadLoaded { workload_id: id.to_string() }
}

fn unloaded(id: &str) -> HostEvent {
    HostEvent::WorkloadUnloaded { workload_id: id.to_string() }
}

fn stopped(id: &str) -> HostEvent {
    HostEvent::WorkloadStopped { workload_id: id.to_string() }
}

async fn impatient(limits: LazyLimits) -> TestHost {
    let builder = HostBuilder::new().with_lazy_limits(limits).with_plugin(Arc::new(DynamicConfig::new(false))).unwrap();
    TestHost::build(builder).await
}

fn unloading_after(timeout: Duration) -> LazyLimits {
    LazyLimits { idle_timeout: Some(timeout), ..LazyLimits::default() }
}

#[tokio::test]
async fn the_first_request_loads_a_workload() {
    let host = TestHost::start().await;
    let mut events = host.host.events();
    let shelf = Shelf::of(probe());
    assert_eq!(register(&host, asleep("lazy"), &shelf).await, Registration::Registered);
    assert_eq!(next(&mut events).await, registered("lazy"));
    let status = host.status("lazy").await;
    assert_eq!(
        (status.workload_state, status.message.as_str()),
        (WorkloadState::Running, "the next request loads the workload")
    );
    let heartbeat = host.host.heartbeat().await.unwrap();
    assert_eq!((heartbeat.workload_count, heartbeat.component_count), (1, 1));
    assert!(host.host.metrics().workloads.is_empty());
    assert_eq!(shelf.reads(), 0);

    let mut connection = host.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.get("/version").await, Answer::ok("lazy"));
    }
    assert_eq!(shelf.reads(), 1);
    assert_eq!(next(&mut events).await, loaded("lazy"));
    assert_eq!(host.status("lazy").await.message, "the workload is running");
    assert_eq!(host.host.metrics().workloads[0].requests.count(), 3);

    host.end("lazy").await;
    assert_eq!(next(&mut events).await, stopped("lazy"));
    assert_eq!(host.status("lazy").await.workload_state, WorkloadState::NotFound);
    assert_eq!(connection.get("/version").await.status, 503);
    assert_eq!(shelf.reads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_at_once_load_a_workload_once_and_all_are_answered() {
    let host = TestHost::start().await;
    let shelf = Shelf::of(probe());
    shelf.set_closed(true);
    register(&host, asleep("lazy"), &shelf).await;
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.get("/version").await });
    }
    // One of them gives up, which ends nobody's load.
    let mut impatient = host.connect().await;
    let gone = tokio::spawn(async move { impatient.send(get("/version")).await.is_ok() });
    while shelf.reads() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    gone.abort();
    assert_eq!(host.status("lazy").await.message, "the workload is being loaded");
    shelf.set_closed(false);
    while let Some(answer) = within_patience(clients.join_next()).await {
        assert_eq!(answer.unwrap(), Answer::ok("lazy"));
    }
    assert_eq!(shelf.reads(), 1);
}

#[tokio::test]
async fn a_load_that_fails_is_told_and_tried_again_later_and_not_by_each_request() {
    let host = TestHost::start().await;
    let mut events = host.host.events();
    let shelf = Shelf::of(probe());
    shelf.is_empty.store(true, Ordering::SeqCst);
    register(&host, asleep("lazy"), &shelf).await;
    let mut connection = host.connect().await;
    for _ in 0..20 {
        let response = connection.send(get("/version")).await.unwrap();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let answer = Answer::of(response).await.unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.body, "the workload cannot be loaded: cannot read component `component`\n");
    }
    assert_eq!(shelf.reads(), 1);
    assert_eq!(next(&mut events).await, registered("lazy"));
    let event = next(&mut events).await;
    assert!(
        matches!(&event, HostEvent::WorkloadLoadFailed { reason, .. } if reason.ends_with("the shelf is empty")),
        "{event:?}"
    );
    let status = host.status("lazy").await;
    assert_eq!(status.workload_state, WorkloadState::Error);
    assert!(status.message.contains("the shelf is empty"), "{status:?}");

    // The next try is after a second, and finds what was missing.
    shelf.is_empty.store(false, Ordering::SeqCst);
    let answer = async {
        loop {
            match connection.get("/version").await {
                answer if answer.status == 503 => tokio::time::sleep(Duration::from_millis(50)).await,
                answer => return answer,
            }
        }
    };
    assert_eq!(within_patience(answer).await, Answer::ok("lazy"));
    assert_eq!(shelf.reads(), 2);
    assert_eq!(host.status("lazy").await.workload_state, WorkloadState::Running);
}

#[tokio::test]
async fn what_is_wrong_with_a_component_is_the_answer_to_its_requests() {
    let host = TestHost::routing().await;
    let broken = [
        ("text", Bytes::from_static(b"no component"), "cannot compile component `component`"),
        ("mute", crate::support::from_text("(component)"), "no component exports wasi:http/incoming-handler@0.2"),
        (
            "needy",
            crate::support::from_text(r#"(component (import "test:need/thing@1.0.0" (instance (export "f" (func)))))"#),
            "no component exports",
        ),
    ];
    for (id, bytes, _) in &broken {
        let mut request = asleep(id);
        request.workload.host_interfaces[0].config = HashMap::from([("host".to_string(), format!("{id}.example"))]);
        register(&host, request, &Shelf::of(bytes.clone())).await;
    }
    let mut connection = host.connect().await;
    for (id, _, reason) in &broken {
        let request =
            http::Request::get("/").header("host", format!("{id}.example")).body(http_body_util::Empty::new()).unwrap();
        let answer = Answer::of(connection.send::<http_body_util::Empty<Bytes>>(request).await.unwrap()).await.unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains(reason), "{answer:?}");
    }
}

#[tokio::test]
async fn what_can_be_judged_without_components_is_judged_at_once() {
    let host = TestHost::start().await;
    let shelf = Shelf::of(probe());
    let refused = async |change: &dyn Fn(&mut WorkloadStartRequest)| {
        let mut request = asleep("lazy");
        change(&mut request);
        let err = host.host.workload_register(request, Arc::clone(&shelf) as _).await.unwrap_err();
        err.downcast::<StartError>().unwrap()
    };
    let err = refused(&|request| request.workload.components.push(request.workload.components[0].clone())).await;
    assert!(matches!(err, StartError::DuplicateName { .. }), "{err}");
    let err = refused(&|request| request.workload.host_interfaces.push("wasi:keyvalue/store".parse().unwrap())).await;
    assert!(matches!(err, StartError::UnknownInterfaces { .. }), "{err}");
    let err = refused(&|request| {
        request.workload.components[0].local_resources.allowed_hosts = vec!["not a host".to_string()];
    })
    .await;
    assert!(matches!(err, StartError::AllowedHost(_)), "{err}");
    let err = refused(&|request| {
        let host_path = HostPathVolume { local_path: "/".to_string() };
        let volume = Volume { name: "all".to_string(), volume_type: VolumeType::HostPath(host_path) };
        request.workload.volumes = vec![volume];
    })
    .await;
    assert!(matches!(err, StartError::VolumeNotAllowed { .. }), "{err}");
    let err = refused(&|request| {
        let config = &mut request.workload.host_interfaces[0].config;
        config.insert("request-timeout".to_string(), "soon".to_string());
    })
    .await;
    assert!(matches!(err, StartError::InterfaceConfig { .. }), "{err}");
    // Nothing is left of them.
    register(&host, asleep("lazy"), &shelf).await;
    let err = host.host.workload_register(asleep("lazy"), Arc::clone(&shelf) as _).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::IdInUse { .. })), "{err}");
    assert_eq!(host.get("/version").await, Answer::ok("lazy"));
}

#[tokio::test]
async fn an_idle_workload_is_unloaded_and_loaded_again() {
    let host = impatient(unloading_after(Duration::from_millis(100))).await;
    let mut events = host.host.events();
    let shelf = Shelf::of(probe());
    let mut request = asleep("lazy");
    request.workload.host_interfaces.push("wasi:config/store".parse().unwrap());
    register(&host, request, &shelf).await;
    assert_eq!(next(&mut events).await, registered("lazy"));
    let alive = || host.host.metrics().pool.unwrap().component_instances;
    for life in 1..=3 {
        assert_eq!(host.get("/version").await, Answer::ok("lazy"));
        assert_eq!(next(&mut events).await, loaded("lazy"));
        assert_eq!(next(&mut events).await, unloaded("lazy"));
        assert_eq!((shelf.reads(), alive()), (life, 0));
        assert_eq!(host.status("lazy").await.message, "the next request loads the workload");
        // Counts go on over all lives.
        assert_eq!(host.host.metrics().workloads[0].requests.count(), life as u64);
    }
    host.end("lazy").await;
    assert_eq!(next(&mut events).await, stopped("lazy"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_is_not_unloaded_under_its_requests() {
    let host = impatient(unloading_after(Duration::from_millis(50))).await;
    let shelf = Shelf::of(probe());
    register(&host, asleep("lazy"), &shelf).await;
    // Longer than it may be idle.
    assert_eq!(host.get("/sleep").await, Answer::ok("slept"));
    // As often as it can be caught between two requests.
    let mut clients = JoinSet::new();
    for client in 0..4_u64 {
        let mut connection = host.connect().await;
        clients.spawn(async move {
            for round in 0..30 {
                assert_eq!(connection.get("/version").await, Answer::ok("lazy"));
                tokio::time::sleep(Duration::from_millis((round * 7 + client * 3) % 60)).await;
            }
        });
    }
    while let Some(done) = within_patience(clients.join_next()).await {
        done.unwrap();
    }
    let idle = LazyLimits { idle_timeout: Some(Duration::from_millis(20)), most_loaded: 1 };
    let host = impatient(idle).await;
    register(&host, asleep("lazy"), &shelf).await;
    for _ in 0..10 {
        assert_eq!(host.get("/version").await, Answer::ok("lazy"));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn what_would_lose_something_stays_loaded() {
    let host = impatient(unloading_after(Duration::from_millis(20))).await;
    let mut events = host.host.events();
    let (keeping, plain) = (Shelf::of(probe()), Shelf::of(probe()));
    let mut request = asleep("keeping");
    request.workload.volumes = vec![empty_dir("scratch")];
    register(&host, request, &keeping).await;
    assert_eq!(host.get("/version").await, Answer::ok("keeping"));
    // Another comes and goes meanwhile.
    register(&host, asleep("plain"), &plain).await;
    assert_eq!(host.get("/version").await, Answer::ok("plain"));
    while next(&mut events).await != unloaded("plain") {}
    host.end("plain").await;
    assert_eq!(host.get("/version").await, Answer::ok("keeping"));
    assert_eq!(keeping.reads(), 1);
}

#[tokio::test]
async fn of_too_many_loaded_workloads_the_longest_unused_goes() {
    let limits = LazyLimits { idle_timeout: None, most_loaded: 2 };
    let server = HttpServer::new(DynamicRouter::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let host = TestHost::assemble(HostBuilder::new().with_lazy_limits(limits), server, DevRouter::default()).await;
    let mut events = host.host.events();
    let shelf = Shelf::of(probe());
    for id in ["one", "two", "three"] {
        let mut request = asleep(id);
        request.workload.host_interfaces[0].config = HashMap::from([("host".to_string(), format!("{id}.example"))]);
        register(&host, request, &shelf).await;
        next(&mut events).await;
    }
    let mut connection = host.connect().await;
    for (id, expected) in [("one", None), ("two", None), ("three", Some("one")), ("one", Some("two"))] {
        assert_eq!(ask(&mut connection, id).await, Answer::ok(id));
        assert_eq!(next(&mut events).await, loaded(id));
        if let Some(gone) = expected {
            assert_eq!(next(&mut events).await, unloaded(gone));
        }
        // Uses are told apart by the millisecond.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn ask(connection: &mut Connection, id: &str) -> Answer {
    let request = http::Request::get("/version").header("host", format!("{id}.example"));
    let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
    Answer::of(connection.send(request).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_time_for_loading_is_part_of_the_requests() {
    let host = TestHost::start().await;
    let shelf = Shelf::of(probe());
    shelf.set_closed(true);
    let mut request = asleep("lazy");
    request.workload.host_interfaces[0].config = HashMap::from([("request-timeout".to_string(), "200ms".to_string())]);
    register(&host, request, &shelf).await;
    let answer = host.get("/version").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "the workload is still being loaded\n"));
    shelf.set_closed(false);
    while host.status("lazy").await.message != "the workload is running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(host.get("/version").await, Answer::ok("lazy"));
    assert_eq!(shelf.reads(), 1);
}

#[tokio::test]
async fn a_workload_can_be_stopped_while_it_is_loaded() {
    let host = TestHost::with_drain_timeout(Duration::from_millis(50)).await;
    let shelf = Shelf::of(probe());
    shelf.set_closed(true);
    register(&host, asleep("lazy"), &shelf).await;
    let mut connection = host.connect().await;
    let waiting = tokio::spawn(async move { connection.get("/version").await });
    while shelf.reads() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(host.end("lazy").await.workload_status.workload_state, WorkloadState::Completed);
    shelf.set_closed(false);
    assert_eq!(within_patience(waiting).await.unwrap().status, 503);
    // The id is free, and nothing of the first life is left.
    register(&host, asleep("lazy"), &Shelf::of(probe())).await;
    assert_eq!(host.get("/version").await, Answer::ok("lazy"));
    within_patience(host.host.stop()).await.unwrap();
}

#[tokio::test]
async fn a_function_is_called_after_a_load() {
    let host = TestHost::start().await;
    let math = crate::support::from_text(
        r#"(component
            (core module $m (func (export "add") (param i32 i32) (result i32)
                (i32.add (local.get 0) (local.get 1))))
            (core instance $i (instantiate $m))
            (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))"#,
    );
    let mut request = asleep("math");
    request.workload.host_interfaces.clear();
    register(&host, request, &Shelf::of(math)).await;
    assert!(host.host.exported_functions("math").is_empty());
    assert_eq!(host.host.invoke("math", "add(40, 2)", None).await.unwrap().wave().unwrap(), "42");
    assert_eq!(host.host.exported_functions("math").len(), 1);
}

#[tokio::test]
async fn a_workload_that_works_by_itself_is_started_at_once() {
    let mut host = TestHost::start().await;
    let mut events = host.host.events();
    let mut request = asleep("working");
    let local_resources = environment(&[("DO", "finish")]);
    request.workload.service = Some(Service { bytes: part("alone"), local_resources, max_restarts: 0, digest: None });
    let shelf = Shelf::of(hello());
    assert_eq!(register(&host, request, &shelf).await, Registration::Started);
    assert_eq!(next(&mut events).await, HostEvent::WorkloadStarted { workload_id: "working".to_string() });
    host.output.find("started").await;
    assert_eq!((shelf.reads(), host.get("/").await.status), (1, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_registered_and_few_are_loaded() {
    let host = TestHost::routing().await;
    let shelf = Shelf::of(probe());
    for index in 0..2000 {
        let mut request = asleep(&format!("w{index}"));
        request.workload.host_interfaces[0].config = HashMap::from([("host".to_string(), format!("w{index}.example"))]);
        register(&host, request, &shelf).await;
    }
    let mut connection = host.connect().await;
    for index in (0..2000).step_by(400) {
        let id = format!("w{index}");
        assert_eq!(ask(&mut connection, &id).await, Answer::ok(&id));
    }
    assert_eq!(shelf.reads(), 5);
    assert_eq!(host.host.metrics().workloads.len(), 5);
    within_patience(host.host.stop()).await.unwrap();
}

#[tokio::test]
async fn components_of_one_workload_are_loaded_together() {
    struct Parts;
    impl ComponentSource for Parts {
        fn read(&self, component: &str) -> io::Result<Bytes> {
            Ok(part(component))
        }
    }
    let host = TestHost::start().await;
    let component = |name| part_component(name, LocalResources::default());
    let mut request = workload_of("trio", vec![component("front"), component("back"), component("deep")]);
    for component in &mut request.workload.components {
        component.bytes = Bytes::new();
    }
    host.host.workload_register(request, Arc::new(Parts)).await.unwrap();
    assert_eq!(host.get("/chain").await, Answer::ok("fine"));
}
