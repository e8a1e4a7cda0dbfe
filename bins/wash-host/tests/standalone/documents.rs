//! Kubernetes documents, as they would be applied to a cluster.

use serde_json::json;
use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

const DEPLOYMENT: &str = "\
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: WorkloadDeployment
metadata:
  name: shop
spec:
  replicas: 2
  template:
    spec:
      hostSelector: {hostgroup: default}
      components:
        - name: http
          image: file:probe.wasm
          localResources:
            environment:
              config: {VERSION: inline, OTHER: x}
              secretFrom: [{name: credentials}]
              configFrom: [{name: settings}]
      hostInterfaces:
        - namespace: wasi
          package: http
          interfaces: [incoming-handler]
          config:
            host: shop.example
            host-aliases: www.shop.example
            address: '0.0.0.0:8080'
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {VERSION: map}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials}
data: {VERSION: c2VjcmV0}
";

#[test]
fn a_deployment_is_served_by_its_host() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "k8s/probe.wasm");
    sandbox.write("k8s/deployment.yaml", DEPLOYMENT);
    let mut server = Server::launch(&sandbox, &["k8s/deployment.yaml"]);
    let mut warnings = Vec::new();
    let started = loop {
        let event = server.next();
        match event["type"].as_str().unwrap() {
            "warning" => warnings.push(event["message"].as_str().unwrap().to_owned()),
            "workload-started" => break event,
            "started" => {}
            _ => panic!("{event}"),
        }
    };
    assert_eq!(started["workload_id"], "default/shop");
    assert_eq!(started["hosts"], json!(["shop.example", "www.shop.example"]));
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    assert!(warnings[0].starts_with("k8s/deployment.yaml:6: `spec.replicas` asks for 2"), "{warnings:#?}");
    server.wait_for("ready");
    assert_eq!(server.get_from("shop.example", "/version").body, "secret");
    assert_eq!(server.get_from("WWW.shop.example:80", "/version").body, "secret");
    let answer = server.get_from("other.example", "/version");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("other.example"), "{answer:?}");
    server.stop();
}

/// A workload of two components, and a service that calls one of them.
fn workload(service: &str) -> String {
    format!(
        "\
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: Workload
metadata: {{name: trio, namespace: tests}}
spec:
  components:
    - {{name: http, image: ./hello.wasm}}
    - {{name: math, image: math.wasm}}
  service:
    image: file:{service}
    maxRestarts: 1
  hostInterfaces:
    - {{namespace: wasi, package: http, interfaces: [incoming-handler], config: {{host: '*'}}}}
"
    )
}

#[test]
fn two_components_and_a_service() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    guests::place_text(&sandbox, guests::MATH, "math.wasm");
    guests::place_text(&sandbox, guests::ACCOUNTANT, "accountant.wasm");
    sandbox.write("trio.yaml", workload("accountant.wasm"));
    let mut server = Server::launch(&sandbox, &["trio.yaml"]);
    // It calls its sibling and ends well if the sum is right, which may be before the host is ready.
    let [_, completed] = server.wait_for_each(["ready", "service-completed"]);
    assert_eq!(completed["workload_id"], "tests/trio");
    assert_eq!(server.get("/").body, "Hello from wasmCloud!\n");
    assert_eq!(server.get("/").status, 200);
    server.stop();
}

#[test]
fn a_failing_service_is_told_and_given_up() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    guests::place_text(&sandbox, guests::MATH, "math.wasm");
    guests::place_text(&sandbox, guests::FAILING_SERVICE, "failing.wasm");
    sandbox.write("trio.yaml", workload("failing.wasm"));
    let mut server = Server::launch(&sandbox, &["trio.yaml", "--admin-addr", "127.0.0.1:0"]);
    let [_, restarting, failed] = server.wait_for_each(["ready", "service-restarting", "service-failed"]);
    assert_eq!((&restarting["workload_id"], &restarting["restarts"]), (&json!("tests/trio"), &json!(1)));
    assert!(restarting["after_ms"].as_u64().unwrap() > 0);
    assert!(failed["message"].as_str().unwrap().contains("unreachable"), "{failed}");
    assert_eq!(server.get("/").status, 200);
    let metrics = crate::server::request(server.admin.unwrap(), "GET", "admin", "/metrics").body;
    let line = "wash_service_restarts_total{namespace=\"tests\",workload=\"trio\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    server.stop();
}

#[test]
fn a_file_stands_in_for_a_registry_image() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    sandbox.write("deployment.yaml", DEPLOYMENT.replace("file:probe.wasm", "ghcr.io/me/probe:1"));
    let server = Server::start(&sandbox, &["deployment.yaml", "--image", "ghcr.io/me/probe:1=probe.wasm"]);
    assert_eq!(server.get_from("shop.example", "/version").body, "secret");
    server.stop();
    let output = sandbox.run("wash-host", ["run", "deployment.yaml", "--pull-policy", "never"]).assert_code(1);
    output.assert_stderr_has("ghcr.io/me/probe:1 is not in the cache, and it is never to be pulled");
}

#[test]
fn a_workload_without_an_entry_for_http_is_warned_about() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    sandbox.write(
        "quiet.json",
        r#"{"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "Workload", "metadata": {"name": "quiet"},
            "spec": {"components": [{"name": "http", "image": "hello.wasm"}]}}"#,
    );
    let mut server = Server::launch(&sandbox, &["quiet.json"]);
    let warning = server.next();
    assert!(
        warning["message"].as_str().unwrap().contains("default/quiet answers HTTP requests and gets none"),
        "{warning}"
    );
    assert_eq!(server.wait_for("workload-started")["hosts"], json!([]));
    server.wait_for("ready");
    assert_eq!(server.get("/").status, 404);
    server.stop();
}
