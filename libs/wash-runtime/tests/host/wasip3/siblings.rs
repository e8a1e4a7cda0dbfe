//! Components of WASI 0.3 that call each other, and the host's plugins.

use std::sync::Arc;

use wash_runtime::host::{HostApi, HostBuilder, StartError};
use wash_runtime::plugin::wasi_config::DynamicConfig;
use wash_runtime::plugin::wasi_keyvalue::InMemoryKeyValue;
use wash_runtime::types::{Component, LocalResources, WorkloadStartRequest};

use super::component;
use crate::support::{Answer, TestHost, environment, from_text, workload_of};

async fn host() -> TestHost {
    let builder = HostBuilder::new()
        .with_plugin(Arc::new(DynamicConfig::new(false)))
        .unwrap()
        .with_plugin(Arc::new(InMemoryKeyValue::new()))
        .unwrap();
    TestHost::build(builder).await
}

fn pair() -> WorkloadStartRequest {
    let mut asker = environment(&[("OF", "asker")]);
    asker.config.insert("greeting".to_string(), "hello".to_string());
    let components = vec![component("asker", asker), component("helper", environment(&[("OF", "helper")]))];
    let mut request = workload_of("pair", components);
    request.workload.host_interfaces.push("wasi:config/store".parse().unwrap());
    request.workload.host_interfaces.push("wasi:keyvalue/store,atomics".parse().unwrap());
    request
}

#[tokio::test]
async fn values_pass_between_siblings_at_once_and_later() {
    let host = host().await;
    host.deploy(pair()).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/add").await, Answer::ok("3"));
    // Five calls go on at the same time.
    assert_eq!(connection.get("/add-later").await, Answer::ok("[10, 11, 12, 13, 14] true"));
    // Each has the host that its own workload entry describes.
    assert_eq!(connection.get("/variable").await, Answer::ok(r#"Some("asker") Some("helper")"#));
    let answer = connection.get("/fail").await;
    assert!(answer.status == 500 && answer.body.contains("unreachable"), "{answer:?}");
}

#[tokio::test]
async fn plugins_serve_components_of_both_versions() {
    let host = host().await;
    host.deploy(pair()).await;
    let mut connection = host.connect().await;
    assert_eq!(connection.get("/config").await, Answer::ok(r#"Ok(Some("hello"))"#));
    assert_eq!(connection.get("/keyvalue").await, Answer::ok(r#"Some(Ok("value")) 2"#));
    assert_eq!(connection.get("/keyvalue").await, Answer::ok(r#"Some(Ok("value")) 4"#));
}

#[tokio::test]
async fn streams_do_not_pass_and_the_error_says_so() {
    let host = host().await;
    let parts = ["consumer", "producer"].map(|name| component(name, LocalResources::default()));
    let err = host.host.workload_start(workload_of("pair", parts.into())).await.unwrap_err();
    assert!(
        matches!(err.downcast_ref(), Some(StartError::Link { component, .. }) if component == "consumer"),
        "{err:?}"
    );
    assert!(format!("{err:#}").contains("cannot pass to or from a component of WASI 0.3"), "{err:#}");
}

/// A component that answers requests, with the text of where it takes the function from.
fn handler(name: &str, instance: &str) -> Component {
    let text = format!(
        r#"(component $c
            (import "wasi:http/types@0.3.0" (instance $types
                (export "request" (type (sub resource)))
                (export "response" (type (sub resource)))))
            (alias export $types "request" (type $request))
            (alias export $types "response" (type $response))
            {instance}
            (export "wasi:http/handler@0.3.0" (instance $handler)))"#
    );
    Component { name: name.to_string(), bytes: from_text(&text), ..Component::default() }
}

#[tokio::test]
async fn middleware_is_refused_and_the_error_says_what_helps() {
    // Neither is ever called.
    let own = r#"(core module $m (func (export "f") (param i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $handle async (param "request" (own $request)) (result (own $response))
            (canon lift (core func $i "f")))
        (instance $handler (export "handle" (func $handle)))"#;
    let import = r#"(import "wasi:http/handler@0.3.0" (instance
        (alias outer $c $request (type $request))
        (alias outer $c $response (type $response))
        (export "handle" (func async (param "request" (own $request)) (result (own $response))))))"#;
    let (outer, inner) = (handler("outer", &format!("{import} {own}")), handler("inner", own));
    let err = host().await.host.workload_start(workload_of("pair", vec![outer, inner])).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::Link { component, .. }) if component == "outer"), "{err:?}");
    let message = format!("{err:#}");
    assert!(message.contains("`handle` of `wasi:http/handler@0.3.0` takes or returns resources"), "{message}");
    assert!(message.contains("they can within one component that the two are composed into"), "{message}");
}
