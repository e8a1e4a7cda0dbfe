//! `wasmcloud:messaging@0.3.0`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wash_runtime::host::HostBuilder;
use wash_runtime::plugin::wasmcloud_messaging::InMemoryMessaging;
use wash_runtime::types::LocalResources;
use wash_runtime::wit::WitInterface;

use super::component;
use crate::support::{Answer, TestHost, workload_of};

#[tokio::test]
async fn components_request_and_answer_messages() {
    let builder = HostBuilder::new().with_plugin(Arc::new(InMemoryMessaging::default())).unwrap();
    let mut host = TestHost::build(builder).await;
    let mut request = workload_of("messenger", vec![component("messenger", LocalResources::default())]);
    let mut entry: WitInterface = "wasmcloud:messaging/consumer,handler".parse().unwrap();
    entry.config.insert("subscriptions".to_string(), "shout.>".to_string());
    request.workload.host_interfaces.push(entry);
    host.deploy(request).await;

    let begun = Instant::now();
    let mut requests = JoinSet::new();
    for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
        let mut connection = host.connect().await;
        requests.spawn(async move {
            let answer = connection.get(&format!("/shout.it?{word}")).await;
            assert_eq!(answer, Answer::ok(&format!("Ok({:?})", word.to_uppercase())));
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    // Each takes 200 ms by itself.
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    for (path, expected) in [
        ("/nobody.there?x", "Err(Error::BrokerUnavailable)"),
        ("/runtime.host?x", "Err(Error::AccessDenied)"),
        ("/bad..subject?x", "Err(Error::SubjectInvalid)"),
    ] {
        assert_eq!(host.get(path).await, Answer::ok(expected), "{path}");
    }
    for word in ["fail", "trap"] {
        let answer = host.get(&format!("/shout.it?{word}")).await;
        assert!(answer.body.starts_with("Err(Error::Other("), "{word}: {answer:?}");
    }
    host.output.find("got trap").await;
}
