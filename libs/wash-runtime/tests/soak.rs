//! 200,000 requests over mixed guests, a third of which trap: at the end the host holds no more memory and no more
//! files than at the beginning.
//!
//! It runs by itself (`.config/nextest.toml`), because it counts what the whole process holds.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]
#![allow(dead_code, reason = "the host's other tests use the rest of what they share")]

#[path = "host/support.rs"]
mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;
use wash_runtime::types::{LocalResources, WorkloadStartRequest};
use washlib_test::hostile::resident_memory;

use support::{Answer, Connection, Http2, TestHost, hello, part_component, probe, request, workload_of};

const REQUESTS: usize = 200_000;
/// By then the pool of instances, the allocator's arenas and the threads' stacks have what they need.
const WARM_UP: usize = 20_000;
const CLIENTS: usize = 16;
/// More than an allocator's own ups and downs, and less than 300 bytes for each request.
const MAX_GROWTH: u64 = 48 << 20;

/// What is asked of whom, and how it must end.
struct Errand {
    host: &'static str,
    path: &'static str,
    status: u16,
}

/// Two in three end well.
const WELL: [Errand; 5] = [
    Errand { host: "hello.example", path: "/", status: 200 },
    Errand { host: "probe.example", path: "/print", status: 200 },
    Errand { host: "probe.example", path: "/echo", status: 200 },
    Errand { host: "front.example", path: "/values", status: 200 },
    Errand { host: "hello.example", path: "/elsewhere", status: 404 },
];

/// And one in three does not.
const BADLY: [Errand; 3] = [
    Errand { host: "probe.example", path: "/trap", status: 500 },
    Errand { host: "probe.example", path: "/exit", status: 500 },
    Errand { host: "front.example", path: "/trap", status: 500 },
];

/// These take longer, so they come once in a while.
const SELDOM: [Errand; 4] = [
    Errand { host: "greedy.example", path: "/recurse", status: 500 },
    Errand { host: "greedy.example", path: "/descend", status: 500 },
    Errand { host: "greedy.example", path: "/handles?1000000", status: 500 },
    Errand { host: "greedy.example", path: "/allocate", status: 500 },
];
const SELDOM_EVERY: usize = 999;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_requests_leave_nothing_behind() {
    let mut host = TestHost::routing().await;
    host.output.close();
    for (id, workload) in workloads() {
        host.deploy(routed(id, workload)).await;
    }
    send(host.address, WARM_UP).await;
    let before = at_rest(&host).await;
    let mut after = before;
    for _ in 0..4 {
        send(host.address, REQUESTS / 4).await;
        after = at_rest(&host).await;
    }
    report(before, after);
    assert_eq!(after.files, before.files, "files stayed open");
    let growth = after.memory.saturating_sub(before.memory);
    assert!(growth < MAX_GROWTH, "{} MiB more than before", growth >> 20);
    assert!(after.threads < before.threads + 8, "threads were left: {before:?}, {after:?}");
    let metrics = host.host.metrics();
    assert_eq!(metrics.pool.unwrap().component_instances, 0);
    for (id, _) in workloads() {
        host.end(id).await;
    }
}

/// Shown with `--no-capture`, or when the test fails.
#[expect(clippy::print_stderr, reason = "the figures are of interest when they are within bounds too")]
fn report(before: Held, after: Held) {
    eprintln!("{REQUESTS} requests: before {before:?}, after {after:?}");
}

fn workloads() -> [(&'static str, WorkloadStartRequest); 4] {
    let limited = LocalResources { memory_limit_mb: 32, ..LocalResources::default() };
    let siblings = ["front", "back", "deep"].map(|name| part_component(name, LocalResources::default()));
    [
        ("hello", request("hello", hello(), LocalResources::default())),
        ("probe", request("probe", probe(), LocalResources::default())),
        ("front", workload_of("front", siblings.into())),
        ("greedy", workload_of("greedy", vec![part_component("greedy", limited)])),
    ]
}

fn routed(id: &str, mut request: WorkloadStartRequest) -> WorkloadStartRequest {
    request.workload.host_interfaces[0].config = HashMap::from([("host".to_string(), format!("{id}.example"))]);
    request
}

/// Sends so many requests from several clients, each of which opens a new connection now and then.
async fn send(address: SocketAddr, requests: usize) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(async move {
            let mut line = Line::open(address, client).await;
            for number in 0..requests / CLIENTS {
                if number % 500 == 499 {
                    line = Line::open(address, client).await;
                }
                let errand = errand(client + number * CLIENTS);
                let answer = line.ask(errand).await;
                assert_eq!(answer.status, errand.status, "{}{}: {}", errand.host, errand.path, answer.body);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

fn errand(number: usize) -> &'static Errand {
    if number.is_multiple_of(SELDOM_EVERY) {
        return &SELDOM[number / SELDOM_EVERY % SELDOM.len()];
    }
    match number % 3 {
        0 => &BADLY[number / 3 % BADLY.len()],
        _ => &WELL[number / 3 % WELL.len()],
    }
}

/// A client's connection.
enum Line {
    Http1(Connection),
    Http2(Http2),
}

impl Line {
    /// One client in four speaks HTTP/2.
    async fn open(address: SocketAddr, client: usize) -> Self {
        if client.is_multiple_of(4) {
            Self::Http2(Http2::open(address).await)
        } else {
            Self::Http1(Connection::open(address).await)
        }
    }

    async fn ask(&mut self, errand: &Errand) -> Answer {
        let body = Full::from(if errand.path == "/echo" { vec![b'x'; 3_000] } else { Vec::new() });
        let response = match self {
            Self::Http1(connection) => {
                let request = Request::post(errand.path).header("host", errand.host);
                connection.send(request.body(body).unwrap()).await
            }
            Self::Http2(connection) => {
                let request = Request::post(format!("http://{}{}", errand.host, errand.path));
                connection.send(request.body(body).unwrap()).await
            }
        };
        Answer::of(response.unwrap()).await.unwrap()
    }
}

/// What the process holds when nothing is going on.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: u64,
    files: usize,
    threads: usize,
}

/// Waits until the connections have ended, which takes the host a moment after their clients.
async fn at_rest(host: &TestHost) -> Held {
    let is_at_rest = || {
        let pool = host.host.metrics().pool.unwrap();
        pool.component_instances == 0 && pool.memories == 0
    };
    let mut last = count("fd");
    support::within_patience(async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let files = count("fd");
            if files == last && is_at_rest() {
                break;
            }
            last = files;
        }
    })
    .await;
    Held { memory: resident_memory(), files: last, threads: count("task") }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{folder}")).unwrap().count()
}
