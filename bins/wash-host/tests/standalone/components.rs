//! Components by themselves.

use serde_json::json;
use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

#[test]
fn a_component_answers_and_its_life_is_told() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    let mut server = Server::launch(&sandbox, &["hello.wasm", "--host-name", "anna"]);
    let started = server.next();
    assert_eq!((&started["type"], &started["host_name"]), (&json!("started"), &json!("anna")));
    let workload = server.next();
    assert_eq!(workload["type"], "workload-started");
    assert_eq!(workload["workload_id"], "default/hello");
    assert_eq!(workload["hosts"], json!(["*"]));
    let ready = server.next();
    assert_eq!((&ready["type"], &ready["workloads"]), (&json!("ready"), &json!(1)));
    assert_eq!(ready["address"], started["address"]);
    assert_eq!(ready["url"].as_str().unwrap(), format!("http://{}", ready["address"].as_str().unwrap()));
    for host in ["test.example", "localhost:8000", "[::1]"] {
        let answer = server.get_from(host, "/");
        assert_eq!((answer.status, answer.body.as_str()), (200, "Hello from wasmCloud!\n"));
    }
    let end = server.stop();
    assert_eq!(end.types(), ["stopping", "workload-stopped", "stopped"]);
}

#[test]
fn flags_reach_the_component() {
    let sandbox = Sandbox::new().with_variable("FROM_THE_HOST", "inherited");
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    for (arguments, version) in [
        (vec!["--env", "VERSION=flag"], "flag"),
        (vec!["--env-file", "env", "--env", "OTHER=x"], "file"),
        (vec!["--env", "VERSION=flag", "--env-file", "env"], "flag"),
        (vec![], ""),
    ] {
        sandbox.write("env", "# comment\nVERSION=file\nFROM_THE_HOST\n");
        let server = Server::start(&sandbox, &[&["probe.wasm"], arguments.as_slice()].concat());
        assert_eq!(server.get("/version").body, version, "{arguments:?}");
        server.stop();
    }
}

#[test]
fn what_a_component_prints_goes_to_stderr() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let mut server = Server::start(&sandbox, &["probe.wasm"]);
    assert_eq!(server.get("/print").body, "printed");
    assert_eq!(server.wait_for_stderr("to standard output"), "to standard output");
    assert_eq!(server.wait_for_stderr("to standard error"), "to standard error");
    assert_eq!(server.stop().types(), ["stopping", "workload-stopped", "stopped"]);
}

#[test]
fn a_limit_of_memory_and_one_of_time_hold() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let server = Server::start(&sandbox, &["probe.wasm", "--memory-limit", "16", "--request-timeout", "300ms"]);
    assert_eq!(server.get("/grow?64").body, "refused");
    assert_eq!(server.get("/grow?1").body, "grown");
    assert_eq!(server.get("/spin").status, 504);
    server.stop();
}

#[test]
fn several_components_answer_on_their_names() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    guests::place(&sandbox, &guests::probe(), "Probe_2.wasm");
    let server = Server::start(&sandbox, &["hello.wasm", "Probe_2.wasm", "--env", "VERSION=2"]);
    assert_eq!(server.get_from("hello.localhost", "/").body, "Hello from wasmCloud!\n");
    assert_eq!(server.get_from("Probe-2.localhost:80", "/version").body, "2");
    assert_eq!(server.get_from("other.localhost", "/").status, 404);
    server.stop();
}

#[test]
fn paths_are_relative_to_the_folder_of_the_option() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "below/hello.wasm");
    let server = Server::start(&sandbox, &["-C", "below", "hello.wasm"]);
    assert_eq!(server.get("/").status, 200);
    server.stop();
}
