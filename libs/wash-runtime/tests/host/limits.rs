//! Many guests at once, and guests that take too much.

use tokio::task::JoinSet;
use wash_runtime::types::LocalResources;

use crate::support::{Answer, TestHost, get, probe, within_patience};

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
