//! The server's threads: they are there while it serves, and gone when it does not.
#![cfg(target_os = "linux")]

use std::fs;

use crate::support::{Answer, TestHost, within_patience};

/// Whether a thread of this name lives. Tests that run beside this one in the process have fewer threads.
fn lives(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.into_iter().any(|found| found.trim_end() == name)
}

#[tokio::test]
async fn the_threads_end_with_the_host() {
    let host = TestHost::serving_probe(|server| server.with_workers(40)).await;
    assert!(lives("wash-http-39") && !lives("wash-http-40"));
    let mut connections = Vec::new();
    for _ in 0..80 {
        connections.push(host.connect().await);
    }
    for connection in &mut connections {
        assert_eq!(connection.get("/print").await, Answer::ok("printed"));
    }
    drop(connections);
    within_patience(host.host.stop()).await.unwrap();
    assert!(!lives("wash-http-39"));
}

#[tokio::test]
async fn the_threads_of_a_server_that_nobody_stops_end_too() {
    let host = TestHost::serving_probe(|server| server.with_workers(45)).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/print").await, Answer::ok("printed"));
    assert!(lives("wash-http-44"));
    drop(host);
    within_patience(async {
        while lives("wash-http-44") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
