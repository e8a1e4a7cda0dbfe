//! The published guides' projects work with `wash dev` alone.

use serde_json::{Value, json};

use crate::connection::Answer;
use crate::project::Project;
use crate::server::Server;

#[test]
fn messaging() {
    let more = "dev:\n  components:\n    - name: task-leet\n      file: target/task-leet.wasm\n";
    let project = Project::of_parts(&["http-api", "task-leet"], more);
    let server = Server::start(&project);
    let task = json!({ "worker": "task-leet", "payload": "Hello World" }).to_string();
    assert_eq!(server.send("POST", "/task", &task), Answer::ok("H3110 W0r1d"));
    assert_eq!(server.send("POST", "/task", "{}").status, 400);
    assert_eq!(server.get("/elsewhere").status, 404);
    server.stop().assert_no_more_events();
}

#[test]
fn messaging_over_nats() {
    let nats = washlib_test::Nats::start();
    let components = "  components:\n    - name: task-leet\n      file: target/task-leet.wasm\n";
    let more = format!("dev:\n  data_nats_url: {}\n{components}", nats.url());
    let project = Project::of_parts(&["http-api", "task-leet"], &more);
    let server = Server::start(&project);
    let task = json!({ "worker": "task-leet", "payload": "Hello World" }).to_string();
    assert_eq!(server.send("POST", "/task", &task), Answer::ok("H3110 W0r1d"));
    let end = server.stop();
    assert!(!format!("{end:?}").contains("opensesame"), "{end:?}");
}

#[test]
fn service_with_tcp() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], "dev:\n  service_file: target/service-leet.wasm\n");
    let mut server = Server::start(&project);
    server.wait_for_stderr("service | service-build-01 listens");
    assert_eq!(server.get("/hello"), Answer::ok("h3110"));
    assert_eq!(server.get("/count"), Answer::ok("2 service-build-01"));
    server.stop().assert_no_more_events();
}

#[test]
fn service_that_calls_a_component() {
    // The service is the project itself, the task a component beside it.
    let more = "dev:\n  service: true\n  components:\n    - name: task\n      file: target/cron-task.wasm\n";
    let project = Project::of_parts(&["cron-service", "cron-task"], more);
    let mut server = Server::start(&project);
    server.wait_for_stderr("service | timer-build-01 starts");
    server.wait_for_stderr("task | task-build-01 invoked");
    server.wait_for_stderr("answered 42");
    assert_eq!(server.get("/"), Answer::ok("task-build-01"));
    server.stop().assert_no_more_events();
}

#[test]
fn filesystem() {
    let more = "dev:\n  volumes:\n    - host_path: ./testdata\n      guest_path: /data\n";
    let project = Project::of_parts(&["files"], more);
    project.write("testdata/hello.txt", "Hello from the filesystem!\n");
    let server = Server::start(&project);
    let listing: Value = serde_json::from_str(&server.get("/").body).unwrap();
    assert_eq!(listing, json!({ "path": "/data", "entries": [{ "name": "hello.txt", "kind": "regular-file" }] }));
    assert_eq!(server.get("/files/hello.txt"), Answer::ok("Hello from the filesystem!\n"));
    assert_eq!(server.send("PUT", "/files/greeting.txt", "Hello, filesystem!").status, 201);
    assert_eq!(server.get("/files/greeting.txt"), Answer::ok("Hello, filesystem!"));
    assert_eq!(std::fs::read_to_string(project.path("testdata/greeting.txt")).unwrap(), "Hello, filesystem!");
    server.stop();
}

#[test]
fn key_value() {
    let project = Project::of_parts(&["key-value"], "");
    let mut server = Server::start(&project);
    let stored = server.send("POST", "/", r#"{"key":"mykey","value":"myvalue"}"#);
    assert_eq!(stored, Answer::ok("[in_memory] Stored 'mykey'\n"));
    assert_eq!(server.get("/?key=mykey"), Answer::ok("[in_memory] myvalue\n"));
    assert_eq!(server.get("/?key=missing").status, 404);
    // What is stored in memory outlives the version that has stored it.
    project.choose_build("key-value", 2);
    server.expect_swap(&project, &["parts/key-value"]);
    assert_eq!(server.header("/?key=mykey", "x-build").as_deref(), Some("values-build-02"));
    assert_eq!(server.get("/?key=mykey"), Answer::ok("[in_memory] myvalue\n"));
    server.stop().assert_no_more_events();
}

#[test]
fn key_value_in_a_folder() {
    let project = Project::of_parts(&["key-value"], "dev:\n  wasi_keyvalue_path: .data/values\n");
    project.write(".gitignore", ".data\n");
    a_value_outlives_the_server(&project);
}

#[test]
fn key_value_in_a_database() {
    let database = washlib_test::Postgres::start();
    let project = Project::of_parts(&["key-value"], &format!("dev:\n  postgres_url: {}\n", database.url()));
    a_value_outlives_the_server(&project);
}

#[test]
fn key_value_in_redis() {
    let redis = washlib_test::Redis::start();
    let project = Project::of_parts(&["key-value"], &format!("dev:\n  wasi_keyvalue_redis_url: {}\n", redis.url()));
    a_value_outlives_the_server(&project);
}

#[test]
fn key_value_in_nats() {
    for key in ["data_nats_url", "wasi_keyvalue_nats_url"] {
        let nats = washlib_test::Nats::start();
        let project = Project::of_parts(&["key-value"], &format!("dev:\n  {key}: {}\n", nats.url()));
        a_value_outlives_the_server(&project);
    }
}

fn a_value_outlives_the_server(project: &Project) {
    let server = Server::start(project);
    server.send("POST", "/", r#"{"key":"mykey","value":"myvalue"}"#);
    server.stop().assert_no_more_events();
    let server = Server::start(project);
    assert_eq!(server.get("/?key=mykey"), Answer::ok("[in_memory] myvalue\n"));
    server.stop();
}

#[test]
fn the_tutorials_counter() {
    let project = Project::of_parts(&["counter"], "");
    let server = Server::start(&project);
    assert_eq!(server.get("/?name=Bob"), Answer::ok("Hello x1, Bob!\n"));
    assert_eq!(server.get("/?name=Bob"), Answer::ok("Hello x2, Bob!\n"));
    assert_eq!(server.get("/?name=Alice"), Answer::ok("Hello x1, Alice!\n"));
    assert_eq!(server.get("/"), Answer::ok("Hello x1, World!\n"));
    server.stop();
}

#[test]
fn configuration() {
    let project = Project::of_parts(&["settings"], "");
    let server = Server::start(&project);
    // As the guide shows it, without any configuration.
    assert_eq!(server.get("/guide"), Answer::ok("app=My App (dev)\nupstream=http://localhost:9090\n"));
    server.stop();
    let more = "workload:\n  environment:\n    config:\n      APP_NAME: My Service\n  config:\n    LEVEL: info\n";
    let project = Project::of_parts(&["settings"], more);
    let server = Server::start(&project);
    assert_eq!(server.get("/guide"), Answer::ok("app=My Service\nupstream=http://localhost:9090\n"));
    assert_eq!(server.get("/config"), Answer::ok("APP_NAME=My Service\nLEVEL=info"));
    server.stop();
}
