//! `--lazy`: many workloads, of which each is loaded when it is asked for.

use std::fmt::Write as _;

use serde_json::json;
use washlib_test::Sandbox;

use crate::guests;
use crate::server::{Answer, PATIENCE, Server, request};

/// Workloads on `<name>.example`, all with the same component.
pub(crate) fn documents(names: impl IntoIterator<Item = String>, image: &str) -> String {
    let mut text = String::new();
    for name in names {
        write!(
            text,
            "---
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: Workload
metadata: {{name: {name}}}
spec:
  components:
    - name: http
      image: file:{image}
      localResources: {{environment: {{config: {{VERSION: {name}}}}}}}
  hostInterfaces:
    - {{namespace: wasi, package: http, interfaces: [incoming-handler], config: {{host: {name}.example}}}}
"
        )
        .unwrap();
    }
    text
}

fn lazy(sandbox: &Sandbox, arguments: &[&str]) -> Server {
    Server::start(sandbox, &[&["--lazy"], arguments].concat())
}

/// Asks until the answer is another than "come back later".
fn get_until_loaded(server: &Server, host: &str) -> Answer {
    let begun = std::time::Instant::now();
    loop {
        let answer = server.get_from(host, "/version");
        if answer.status != 503 || begun.elapsed() > PATIENCE {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_folder_with_thousands_of_workloads_is_registered_and_what_is_asked_for_is_loaded() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "k8s/probe.wasm");
    sandbox.write("k8s/many.yaml", documents((0..2000).map(|index| format!("w{index}")), "probe.wasm"));
    sandbox.write("k8s/more.yml", documents(["extra".to_owned()], "probe.wasm"));
    let mut server = Server::launch(&sandbox, &["--lazy", "k8s", "--admin-addr", "127.0.0.1:0"]);
    let first = server.wait_for("workload-registered");
    assert_eq!(first["hosts"], json!([format!("{}.example", first["name"].as_str().unwrap())]));
    let ready = server.wait_for("ready");
    assert_eq!(ready["workloads"], 2001);
    server.wait_for_stderr("Registered 2001 workloads, each of which its first request loads");
    for name in ["w0", "w1999", "extra", "w0"] {
        assert_eq!(server.get_from(&format!("{name}.example"), "/version").body, name);
    }
    for name in ["w0", "w1999", "extra"] {
        assert_eq!(server.wait_for("workload-loaded")["workload_id"], format!("default/{name}"));
    }
    assert_eq!(server.get_from("w2000.example", "/version").status, 404);
    // Only those that have been loaded have numbers.
    let metrics = request(server.admin.unwrap(), "GET", "admin", "/metrics").body;
    assert!(metrics.contains("workload=\"w1999\"") && !metrics.contains("workload=\"w1\""), "{metrics}");
    let end = server.stop();
    assert_eq!(end.types().iter().filter(|kind| **kind == "workload-stopped").count(), 2001);
}

#[test]
fn an_idle_workload_is_unloaded() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let mut server = lazy(&sandbox, &["probe.wasm", "--env", "VERSION=alone", "--unload-after", "100ms"]);
    for _ in 0..2 {
        assert_eq!(server.get("/version").body, "alone");
        assert_eq!(server.wait_for("workload-loaded")["workload_id"], "default/probe");
        assert_eq!(server.wait_for("workload-unloaded")["workload_id"], "default/probe");
    }
    server.stop();
    let output = sandbox.run("wash-host", ["run", "--lazy", "probe.wasm", "--unload-after", "soon"]).assert_code(2);
    output.assert_stderr_has("`soon` in --unload-after is not a length of time");
}

#[test]
fn a_component_that_cannot_be_loaded_is_told_and_tried_again() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    sandbox.write("all.yaml", documents(["one".to_owned(), "two".to_owned()], "probe.wasm"));
    let mut server = lazy(&sandbox, &["all.yaml"]);
    assert_eq!(server.get_from("one.example", "/version").body, "one");
    // The file goes after the host has started.
    let component = sandbox.work().join("probe.wasm");
    std::fs::rename(&component, component.with_extension("away")).unwrap();
    let answer = server.get_from("two.example", "/version");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, "the workload cannot be loaded: cannot read component `http`\n");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    let failed = server.wait_for("workload-load-failed");
    assert!(failed["message"].as_str().unwrap().contains("probe.wasm"), "{failed}");
    // What is loaded does not need it.
    assert_eq!(server.get_from("one.example", "/version").body, "one");
    std::fs::rename(component.with_extension("away"), &component).unwrap();
    assert_eq!(get_until_loaded(&server, "two.example").body, "two");
    server.stop();
}

#[test]
fn what_is_cheap_to_find_is_found_at_the_start() {
    let sandbox = Sandbox::new();
    sandbox.write("all.yaml", documents(["one".to_owned()], "missing.wasm"));
    sandbox
        .run("wash-host", ["run", "--lazy", "all.yaml"])
        .assert_code(1)
        .assert_stderr_has("all.yaml:8: cannot read the component in `spec.components[0].image`")
        .assert_stderr_has("missing.wasm");
    sandbox.write("text.wasm", "no component");
    sandbox.write("all.yaml", documents(["one".to_owned()], "text.wasm"));
    sandbox
        .run("wash-host", ["run", "--lazy", "all.yaml"])
        .assert_code(1)
        .assert_stderr_has("text.wasm is not a WebAssembly component");
    sandbox.write("all.yaml", documents(["one".to_owned()], "text.wasm").replace("interfaces", "interfarces"));
    sandbox.run("wash-host", ["run", "--lazy", "all.yaml"]).assert_code(2).assert_stderr_has("interfaces` is missing");
    guests::place(&sandbox, &guests::probe(), "text.wasm");
    sandbox.write("all.yaml", documents(["one".to_owned()], "text.wasm").replace("one.example", "not/a/host"));
    sandbox.run("wash-host", ["run", "--lazy", "all.yaml"]).assert_code(1).assert_stderr_has("not/a/host");
}

#[test]
fn a_workload_with_a_service_is_started_at_once() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    guests::place_text(&sandbox, guests::MATH, "math.wasm");
    guests::place_text(&sandbox, guests::ACCOUNTANT, "accountant.wasm");
    let trio = "\
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: Workload
metadata: {name: trio}
spec:
  components: [{name: http, image: hello.wasm}, {name: math, image: math.wasm}]
  service: {image: accountant.wasm}
  hostInterfaces: [{namespace: wasi, package: http, interfaces: [incoming-handler], config: {host: '*'}}]
";
    sandbox.write("trio.yaml", trio);
    let mut server = Server::launch(&sandbox, &["--lazy", "trio.yaml"]);
    assert_eq!(server.wait_for("workload-started")["workload_id"], "default/trio");
    assert_eq!(server.wait_for("service-completed")["workload_id"], "default/trio");
    assert_eq!(server.get("/").status, 200);
    server.stop();
}
