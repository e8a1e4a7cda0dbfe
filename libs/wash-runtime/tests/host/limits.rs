//! Many guests at once, and guests that take too much.

use std::collections::HashMap;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinSet;
use wash_runtime::host::HostApi;
use wash_runtime::host::events::HostEvent;
use wash_runtime::types::{LocalResources, WorkloadStartRequest};

use crate::support::{
    Answer, TestHost, empty_dir, environment, get, mount, mounting, part, part_component, probe, request, service,
    within_patience, workload_of,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_guests_sleep_at_once() {
    let host = TestHost::running_probe().await;
    let mut clients = JoinSet::new();
    for _ in 0..300 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.get("/sleep").await });
    }
    while let Some(answer) = within_patience(clients.join_next()).await {
        assert_eq!(answer.unwrap(), Answer::ok("slept"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_spin_do_not_keep_others_waiting() {
    let mut host = TestHost::running_probe().await;
    let mut spinners = JoinSet::new();
    for _ in 0..4 {
        let mut connection = host.connect().await;
        spinners.spawn(async move { connection.send(get("/spin")).await.is_ok() });
    }
    host.output.entered(4).await;
    let mut connection = host.connect().await;
    for _ in 0..5 {
        assert_eq!(connection.get("/print").await, Answer::ok("printed"));
    }
    assert!(spinners.try_join_next().is_none(), "the spinners should still be at it");
    // Their clients go, and so do they.
    spinners.shutdown().await;
    host.end("probe").await;
}

#[tokio::test]
async fn memory_grows_up_to_the_limit() {
    let host = TestHost::start().await;
    let resources = LocalResources { memory_limit_mb: 64, ..LocalResources::default() };
    host.run("limited", probe(), resources).await;
    assert_eq!(host.get("/grow?32").await, Answer::ok("grown"));
    assert_eq!(host.get("/grow?64").await, Answer::ok("refused"));
    let resources = LocalResources { memory_limit_mb: -1, ..LocalResources::default() };
    host.run("unlimited", probe(), resources).await;
    assert_eq!(host.get("/grow?64").await, Answer::ok("grown"));
}

/// A component that takes what it can get.
fn greedy(local_resources: LocalResources) -> WorkloadStartRequest {
    workload_of("greedy", vec![part_component("greedy", local_resources)])
}

async fn running(request: WorkloadStartRequest) -> TestHost {
    let host = TestHost::start().await;
    host.deploy(request).await;
    host
}

#[tokio::test]
async fn a_guest_that_allocates_or_recurses_without_end_ends_itself() {
    let host = running(greedy(LocalResources { memory_limit_mb: 64, ..LocalResources::default() })).await;
    let mut connection = host.connect().await;
    for _ in 0..3 {
        for (path, trap) in [("/recurse", "out of bounds memory access"), ("/descend", "call stack exhausted")] {
            let answer = connection.get(path).await;
            assert_eq!(answer.status, 500);
            assert!(answer.body.contains(trap), "{answer:?}");
        }
        assert_eq!(connection.get("/allocate").await.status, 500);
        assert_eq!(connection.get("/").await, Answer::ok("greedy"));
    }
}

#[tokio::test]
async fn a_guest_may_hold_ten_thousand_resources_and_not_a_million() {
    let host = running(greedy(LocalResources::default())).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/handles?10000").await, Answer::ok("held"));
    assert_eq!(connection.get("/handles?1000000").await.status, 500);
    assert_eq!(connection.get("/handles?10000").await, Answer::ok("held"));
}

#[tokio::test]
async fn a_guest_holds_no_more_headers_than_fit_the_hosts_memory() {
    let host = running(greedy(LocalResources::default())).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/hoard?50").await, Answer::ok("hoarded"));
    // 400 MB, wherever they are put.
    for path in ["/hoard?4000", "/hoard-copies?4000", "/hoard-responses?4000", "/hoard-paths?7000"] {
        let answer = connection.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains("bytes of headers"), "{path}: {answer:?}");
    }
    // What is gone does not count.
    assert_eq!(connection.get("/churn?1000").await, Answer::ok("churned"));
}

/// Megabytes of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_that_a_guest_has_filled_goes_back_when_it_ends() {
    let resources = LocalResources { memory_limit_mb: 256, ..LocalResources::default() };
    let host = running(greedy(resources)).await;
    let before = resident();
    for _ in 0..4 {
        assert_eq!(host.get("/allocate").await.status, 500);
    }
    went_back_to(before).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_that_a_service_has_filled_goes_back_when_it_ends() {
    let host = TestHost::start().await;
    let mut events = host.host.events();
    let mut resources = environment(&[("DO", "allocate")]);
    resources.memory_limit_mb = 256;
    let before = resident();
    host.deploy(service("alone", part("alone"), resources, 3)).await;
    while !matches!(within_patience(events.recv()).await.unwrap(), HostEvent::ServiceFailed { .. }) {}
    went_back_to(before).await;
}

/// The end is told before the instance is gone.
#[cfg(target_os = "linux")]
async fn went_back_to(before: u64) {
    let mut patience = 1_000;
    while resident() > before + 128 {
        patience -= 1;
        assert!(patience > 0, "{before} MB became {}", resident());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_guest_opens_no_more_than_its_part_of_the_processs_files() {
    let resources = mounting(mount("data", "/data"));
    let mut request = greedy(resources);
    request.workload.volumes = vec![empty_dir("data")];
    let host = running(request).await;
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
    for path in ["/files?10000", "/streams?10000", "/directories?10000", "/files?10000"] {
        let opened: u64 = host.get(path).await.body.parse().unwrap();
        assert!((1..=10_000.min(allowed / 8)).contains(&opened), "{path}: {opened} of {allowed}");
    }
    // Files that are closed do not count.
    assert_eq!(host.get("/reopen?10000").await, Answer::ok("fine"));
}

#[tokio::test]
async fn a_guest_that_leaves_its_request_unread_answers_all_the_same() {
    let host = running(greedy(LocalResources::default())).await;
    let body = Full::from(vec![0; 8 << 20]);
    let request = http::Request::post("/unread").header("host", "test.example").body(body).unwrap();
    let answer = host.connect().await.send(request).await.unwrap();
    assert_eq!(Answer::of(answer).await.unwrap(), Answer::ok("not read"));
    assert_eq!(host.get("/").await, Answer::ok("greedy"));
}

#[tokio::test]
async fn a_method_has_a_length() {
    let host = running(greedy(LocalResources::default())).await;
    assert_eq!(host.get("/method?64").await, Answer::ok("taken"));
    assert_eq!(host.get("/method?65").await, Answer::ok("refused"));
}

#[tokio::test]
async fn a_response_that_is_too_long_too_short_or_unfinished_harms_no_other() {
    let host = running(greedy(LocalResources::default())).await;
    // More headers than the host keeps for a guest, and than a client takes.
    assert_eq!(host.get("/headers?50").await, Answer::ok("many headers"));
    let answer = host.connect().await.send(get("/headers?100000")).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 500));
    if let Ok(answer) = host.connect().await.send(get("/early")).await {
        let body = within_patience(answer.into_body().collect()).await;
        assert!(body.is_err(), "it looks whole: {body:?}");
    }
    // What its guest drops does not look whole, however soon that is.
    if let Ok(answer) = host.connect().await.send(get("/aborted")).await {
        let body = within_patience(answer.into_body().collect()).await;
        assert!(body.is_err(), "it looks whole: {body:?}");
    }
    // A body whose guest has returned without ending it ends all the same.
    assert_eq!(host.get("/unfinished").await, Answer::ok("begun"));
    assert_eq!(host.get("/").await, Answer::ok("greedy"));
    host.end("greedy").await;
}

#[tokio::test]
async fn a_guest_that_floods_its_client_waits_and_ends_with_it() {
    let mut host = running(greedy(LocalResources::default())).await;
    let mut connection = host.connect().await;
    let answer = connection.send(get("/flood")).await.unwrap();
    host.output.entered(1).await;
    assert_eq!(host.get("/").await, Answer::ok("greedy"));
    drop((answer, connection));
    host.end("greedy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_invocations_run_than_may() {
    let mut request = greedy(LocalResources::default());
    request.workload.components[0].max_invocations = 2;
    let mut host = running(request).await;
    let mut clients = JoinSet::new();
    for _ in 0..12 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.get("/hold").await });
    }
    while let Some(answer) = within_patience(clients.join_next()).await {
        assert_eq!(answer.unwrap(), Answer::ok("held"));
    }
    assert_eq!(most_at_once(&host.output.so_far()), 2);
}

/// How many guests that said when they began and ended were at it at once.
fn most_at_once(said: &str) -> usize {
    let (mut running, mut most) = (0_usize, 0);
    for word in said.split_whitespace() {
        match word {
            "begin" => running += 1,
            "end" => running -= 1,
            word => panic!("{word}"),
        }
        most = most.max(running);
    }
    assert_eq!(running, 0);
    most
}

/// The component that calls is not limited, the one that is called is.
fn calling(max_invocations: i32) -> WorkloadStartRequest {
    let component = |name| part_component(name, LocalResources::default());
    let mut request = workload_of("calling", vec![component("front"), component("back"), component("deep")]);
    request.workload.components[1].max_invocations = max_invocations;
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_siblings_are_invocations_too() {
    let mut host = running(calling(2)).await;
    let mut clients = JoinSet::new();
    for _ in 0..12 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.get("/hold").await });
    }
    while let Some(answer) = within_patience(clients.join_next()).await {
        assert_eq!(answer.unwrap(), Answer::ok("held"));
    }
    assert_eq!(most_at_once(&host.output.so_far()), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line_before_a_sibling_turns_clients_away() {
    let mut host = running(calling(1)).await;
    let mut clients = JoinSet::new();
    for _ in 0..1 + 16 + 3 {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.send(get("/sleep")).await });
    }
    for _ in 0..3 {
        let answer = within_patience(clients.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
    }
    host.output.entered(1).await;
    clients.shutdown().await;
    host.end("calling").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_in_line_is_part_of_a_requests_time() {
    const TIMEOUT: Duration = Duration::from_millis(1500);
    let mut request = greedy(LocalResources::default());
    request.workload.components[0].max_invocations = 1;
    request.workload.host_interfaces[0].config =
        HashMap::from([("request-timeout".to_string(), format!("{}ms", TIMEOUT.as_millis()))]);
    let mut host = running(request).await;
    let mut first = host.connect().await;
    let first = tokio::spawn(async move { first.get("/wait").await.status });
    host.output.entered(1).await;
    // It gets its turn when the first one's time is over, and has what is left of its own.
    let begun = std::time::Instant::now();
    assert!([503, 504].contains(&host.get("/wait").await.status));
    assert!(begun.elapsed() < TIMEOUT * 3 / 2, "{:?}", begun.elapsed());
    assert_eq!(first.await.unwrap(), 504);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line_turns_clients_away() {
    const PLACES: usize = 1;
    const LINE: usize = 16;
    const TOO_MANY: usize = 3;
    let mut request = greedy(LocalResources::default());
    request.workload.components[0].max_invocations = i32::try_from(PLACES).unwrap();
    let mut host = running(request).await;
    let mut clients = JoinSet::new();
    for _ in 0..PLACES + LINE + TOO_MANY {
        let mut connection = host.connect().await;
        clients.spawn(async move { connection.send(get("/wait")).await });
    }
    for _ in 0..TOO_MANY {
        let answer = within_patience(clients.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
    }
    host.output.entered(1).await;
    assert_eq!(host.output.so_far(), "", "nobody else should have been let in");
    // Those in line leave it with their clients.
    clients.shutdown().await;
    host.end("greedy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_ends_at_its_deadline_whether_its_guest_computes_or_waits() {
    let mut request = greedy(LocalResources::default());
    request.workload.host_interfaces[0].config = HashMap::from([("request-timeout".to_string(), "200ms".to_string())]);
    let host = running(request).await;
    for path in ["/spin", "/wait"] {
        let answer = host.get(path).await;
        assert_eq!(answer.status, 504, "{path}");
        assert!(answer.body.contains("200ms"), "{answer:?}");
        assert_eq!(host.get("/").await, Answer::ok("greedy"));
    }
    // It waits for guests that are left.
    host.end("greedy").await;
}

/// A guest with a tenth of a core computes for about a tenth of the time. The bounds are wide: the machine may be busy.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_gets_its_share_of_the_processor_and_no_more() {
    use std::time::{Duration, Instant};

    let mut host = running(greedy(LocalResources { cpu_limit: 100, ..LocalResources::default() })).await;
    let mut connection = host.connect().await;
    let spinner = tokio::spawn(async move { connection.send(get("/turns?1000000")).await.is_ok() });
    // What may be saved up is spent first.
    for _ in 0..2 {
        host.output.find("turns").await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (begun, before) = (Instant::now(), compute_time());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let share = (compute_time() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    assert!((0.02..0.2).contains(&share), "{share}");
    spinner.abort();
    _ = spinner.await;
    host.end("greedy").await;
}

/// Processor time of this process's threads for guests that compute for long.
#[cfg(target_os = "linux")]
fn compute_time() -> std::time::Duration {
    let ticks: u64 = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .filter_map(|stat| {
            let (name, fields) = stat.split_once(") ")?;
            let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().unwrap());
            name.ends_with("(wash-compute").then(|| fields.by_ref().take(2).sum::<u64>())
        })
        .sum();
    // The kernel shows hundredths of a second to programs, whatever it counts with.
    std::time::Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn instances_are_made_in_advance_up_to_the_pool_size() {
    let host = TestHost::start().await;
    let mut request = request("x", probe(), environment(&[("VERSION", "1")]));
    request.workload.components[0].pool_size = 3;
    host.host.workload_start(request).await.unwrap();
    let alive = || host.host.metrics().pool.unwrap().component_instances;
    let are_alive = async |count| {
        while alive() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within_patience(are_alive(3)).await;
    for _ in 0..5 {
        assert_eq!(host.get("/version").await, Answer::ok("1"));
    }
    within_patience(are_alive(3)).await;
    host.end("x").await;
    // One may just be in the making, by somebody who then learns that it is not wanted.
    within_patience(are_alive(0)).await;
}
