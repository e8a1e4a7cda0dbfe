//! Guests that fail, and clients that go away.

use http_body_util::BodyExt;

use wash_runtime::types::LocalResources;

use crate::support::{Answer, TestHost, get, part_component, within_patience, workload_of};

#[tokio::test]
async fn a_failure_is_answered_and_the_connection_lives_on() {
    let host = TestHost::running_probe().await;
    let mut connection = host.connect().await;
    for (path, problem) in [
        ("/trap", "the component failed on this request: wasm trap: wasm `unreachable` instruction executed\n"),
        ("/exit", "the component failed on this request: Exited with i32 exit status 1\n"),
        ("/error", "the component answered with an error instead of a response: "),
    ] {
        let answer = connection.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.starts_with(problem), "{path}: {}", answer.body);
        assert_eq!(connection.get("/print").await, Answer::ok("printed"), "after {path}");
    }
}

#[tokio::test]
async fn a_body_that_a_trap_cut_short_does_not_look_whole() {
    let host = TestHost::running_probe().await;
    // The trap may come before the response's head has left, or after.
    if let Ok(response) = host.connect().await.send(get("/stream-and-trap")).await {
        assert_eq!(response.status(), 200);
        let body = within_patience(response.into_body().collect()).await;
        assert!(body.is_err(), "{body:?}");
    }
    assert_eq!(host.get("/print").await, Answer::ok("printed"));
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_is_not_mistaken_for_the_next_response() {
    let host = TestHost::start().await;
    host.deploy(workload_of("greedy", vec![part_component("greedy", LocalResources::default())])).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/promised?5").await, Answer::ok("begun"));
    // Of one that is too long, the client gets what it was promised.
    assert_eq!(connection.get("/promised?3").await, Answer::ok("beg"));
    assert_eq!(connection.get("/").await, Answer::ok("greedy"));
    // One that is too short ends its connection.
    if let Ok(response) = connection.send(get("/promised?10")).await {
        let body = within_patience(response.into_body().collect()).await;
        assert!(body.is_err(), "it looks whole: {body:?}");
    }
    assert_eq!(host.get("/").await, Answer::ok("greedy"));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_guest_along() {
    let mut host = TestHost::running_probe().await;
    // One client leaves before the response, one in the middle of its body.
    let mut waiting = host.connect().await;
    let waiting = tokio::spawn(async move { waiting.send(get("/never")).await.is_ok() });
    host.output.entered(1).await;
    let mut streaming = host.connect().await;
    let mut response = streaming.send(get("/stream-forever")).await.unwrap();
    assert!(within_patience(response.body_mut().frame()).await.unwrap().is_ok());

    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    drop((response, streaming));
    // The stop waits for guests, so it ends only if both have been ended.
    host.end("probe").await;
}
