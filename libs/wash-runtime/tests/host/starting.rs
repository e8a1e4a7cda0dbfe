//! Workloads that cannot start, and what the error says.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use wash_runtime::engine::CompileError;
use wash_runtime::host::http::{BindError, DevRouter, HttpServer};
use wash_runtime::host::{HostApi, HostBuilder, StartError};
use wash_runtime::types::{HostPathVolume, LocalResources, Volume, VolumeMount, VolumeType, WorkloadStartRequest};
use wash_runtime::wit::WitInterface;

use crate::support::{TestHost, environment, hello, probe, request};

const NO_HANDLER: &str = if cfg!(feature = "wasip3") {
    "no component exports wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3"
} else {
    "no component exports wasi:http/incoming-handler@0.2"
};

const NOTHING_EXPORTED: &str = if cfg!(feature = "wasip3") {
    "no component exports wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3, it exports nothing"
} else {
    "no component exports wasi:http/incoming-handler@0.2, it exports nothing"
};

fn component(text: &str) -> Bytes {
    wat::parse_str(text).expect("the component should be well-formed").into()
}

async fn start_error(bytes: Bytes) -> StartError {
    start_error_of(request("x", bytes, LocalResources::default())).await
}

async fn start_error_of(request: WorkloadStartRequest) -> StartError {
    let host = TestHost::start().await;
    host.host.workload_start(request).await.unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn what_is_no_component_is_told_apart() {
    for (bytes, expected) in [
        (Bytes::new(), "not a WebAssembly binary"),
        (Bytes::from_static(b"package acme:hello;"), "not a WebAssembly binary"),
        (component("(module)"), "a core module, not a component"),
        (Bytes::from_static(b"\0asm\x0d\0\x01\0\xff"), "not a valid component"),
    ] {
        let err = start_error(bytes).await;
        assert_eq!(err.to_string(), "cannot compile component `component`");
        let StartError::Compile { source, .. } = &err else { panic!("{err:?}") };
        assert_eq!(source.to_string(), expected);
        assert_eq!(matches!(source, CompileError::Invalid(_)), expected == "not a valid component");
    }
}

#[tokio::test]
async fn all_missing_imports_are_named() {
    let err = start_error(component(
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance))
            (import "acme:store/things@1.0.0" (instance (export "get" (func))))
            (import "wasi:keyvalue/store@0.2.0-draft" (instance (export "open" (func))))
            (import "log" (func))
            (instance $handler)
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
    ))
    .await;
    assert_eq!(
        err.to_string(),
        "`component` imports acme:store/things@1.0.0, which nothing provides (add to hostInterfaces: \
         {namespace: acme, package: store, interfaces: [things]}, on a host with a plugin for it; this one has none); \
         `component` imports wasi:keyvalue/store@0.2.0-draft, which nothing provides (add to hostInterfaces: \
         {namespace: wasi, package: keyvalue, interfaces: [store]}, on a host with a plugin for it; this one has none); \
         `component` imports log, which nothing provides"
    );
    assert!(matches!(err, StartError::Imports { problems } if problems.len() == 3));
}

#[tokio::test]
async fn a_component_that_answers_no_http_says_what_it_exports() {
    let err = start_error(component(
        r#"(component
            (instance $run)
            (export "wasi:cli/run@0.2.0" (instance $run))
            (export "wasi:http/handler@0.4.0" (instance $run)))"#,
    ))
    .await;
    assert_eq!(err.to_string(), format!("{NO_HANDLER}, it exports wasi:cli/run@0.2.0, wasi:http/handler@0.4.0"));
    let err = start_error(component("(component)")).await;
    assert_eq!(err.to_string(), NOTHING_EXPORTED);
}

#[tokio::test]
async fn types_that_do_not_fit_are_a_link_error() {
    for text in [
        r#"(component (instance $h) (export "wasi:http/incoming-handler@0.2.0" (instance $h)))"#,
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance (export "poll" (func (param "x" string)))))
            (instance $h)
            (export "wasi:http/incoming-handler@0.2.0" (instance $h)))"#,
    ] {
        let err = start_error(component(text)).await;
        assert!(matches!(&err, StartError::Link { source, .. } if !source.to_string().is_empty()), "{err:?}");
    }
}

#[tokio::test]
async fn a_component_that_traps_when_it_starts_is_found_out() {
    let err = start_error_of(request("x", probe(), environment(&[("TRAP_AT_START", "1")]))).await;
    assert_eq!(err.to_string(), "component `component` fails when it starts");
    let StartError::Start { source, .. } = &err else { panic!("{err:?}") };
    let chain: Vec<_> = std::iter::successors(Some(source.as_ref() as &dyn std::error::Error), |err| err.source())
        .map(ToString::to_string)
        .collect();
    assert!(chain.iter().any(|cause| cause.contains("unreachable")), "{chain:?}");
}

#[tokio::test]
async fn a_component_that_never_starts_does_not_hang_the_host() {
    let host = TestHost::build(HostBuilder::new().with_start_timeout(Duration::from_millis(200))).await;
    let err = host.try_run("x", probe(), environment(&[("SPIN_AT_START", "1")])).await.unwrap_err();
    assert_eq!(err.to_string(), "component `component` did not start within 200ms");
    host.run("y", hello(), LocalResources::default()).await;
}

#[tokio::test]
async fn a_memory_limit_below_what_the_component_needs_is_found_out() {
    let resources = LocalResources { memory_limit_mb: 1, ..LocalResources::default() };
    let err = start_error_of(request("x", probe(), resources)).await;
    assert!(matches!(err, StartError::Start { .. }), "{err:?}");
}

#[tokio::test]
async fn a_workload_that_contradicts_itself_is_an_error() {
    type Change = fn(&mut WorkloadStartRequest);
    let changes: [(Change, &str); 7] = [
        (|request| request.workload.components.clear(), NOTHING_EXPORTED),
        (
            |request| request.workload.components.push(request.workload.components[0].clone()),
            "two of the workload's parts are named `component`",
        ),
        (
            |request| {
                let mount = VolumeMount { name: "data".to_string(), mount_path: "/data".to_string(), read_only: false };
                request.workload.components[0].local_resources.volume_mounts.push(mount);
            },
            "`component` mounts the volume `data`, which the workload does not have",
        ),
        (
            |request| {
                let host_path = HostPathVolume { local_path: "/".to_string() };
                let volume_type = VolumeType::HostPath(host_path);
                request.workload.volumes.push(Volume { name: "data".to_string(), volume_type });
            },
            "volume `data`: workloads may not use /",
        ),
        (
            |request| {
                let config = HashMap::from([("request-timeout".to_string(), "soon".to_string())]);
                request.workload.host_interfaces[0].config = config;
            },
            "`request-timeout` of wasi:http/incoming-handler in hostInterfaces is not a duration such as `30s`: `soon`",
        ),
        (
            |request| request.workload.host_interfaces.push(interface("http", "outgoing-handler")),
            "the entry for wasi:http/incoming-handler in hostInterfaces needs a name, because another entry is for the \
             same package",
        ),
        (
            |request| request.workload.host_interfaces[0].name = Some("Not A Label".to_string()),
            "the entry for wasi:http/incoming-handler in hostInterfaces has a name that is not made of lower-case \
             letters, digits and hyphens",
        ),
    ];
    for (change, expected) in changes {
        let mut request = request("x", hello(), LocalResources::default());
        change(&mut request);
        assert_eq!(start_error_of(request).await.to_string(), expected);
    }
}

#[tokio::test]
async fn host_interfaces_are_checked_against_what_is_linked() {
    let mut asked = request("x", hello(), LocalResources::default());
    asked.workload.host_interfaces = vec![interface("http", "incoming-handler"), interface("keyvalue", "store")];
    let err = start_error_of(asked.clone()).await;
    assert_eq!(err.to_string(), "this host does not provide wasi:keyvalue/store");

    asked.workload.host_interfaces.pop();
    TestHost::start().await.host.workload_start(asked).await.unwrap();
}

fn interface(package: &str, interface: &str) -> WitInterface {
    WitInterface {
        namespace: "wasi".to_string(),
        package: package.to_string(),
        interfaces: HashSet::from([interface.to_string()]),
        version: None,
        config: HashMap::new(),
        name: None,
    }
}

#[tokio::test]
async fn a_malformed_allowed_host_is_refused() {
    let resources =
        LocalResources { allowed_hosts: vec!["https://example.com/path".to_string()], ..LocalResources::default() };
    let err = start_error_of(request("x", hello(), resources)).await;
    assert!(matches!(&err, StartError::AllowedHost(invalid) if invalid.entry == "https://example.com/path"), "{err:?}");
}

#[tokio::test]
async fn a_port_in_use_is_told_before_anything_starts() {
    let host = TestHost::start().await;
    let err = HttpServer::new(DevRouter::default(), host.address).await.unwrap_err();
    assert_eq!(err.to_string(), format!("cannot listen on {}", host.address));
    let bind: &BindError = err.downcast_ref().unwrap();
    assert_eq!(bind.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(err.chain().any(|cause| cause.is::<std::io::Error>()));
}

#[tokio::test]
async fn a_host_without_a_handler_runs_workloads_that_need_none() {
    let host = HostBuilder::new().build().unwrap().start().await.unwrap();
    host.workload_start(request("x", hello(), LocalResources::default())).await.unwrap();
    host.stop().await.unwrap();
}
