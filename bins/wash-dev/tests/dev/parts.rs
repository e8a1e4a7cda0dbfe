//! Projects of several components, and with a service: what is replaced, and what goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::connection::{Answer, Connection};
use crate::project::Project;
use crate::server::Server;

const MESSAGING: &str = "dev:\n  components:\n    - name: task-leet\n      file: target/task-leet.wasm\n";

const SERVICE: &str = "dev:\n  service_file: target/service-leet.wasm\n";

fn swap(server: &mut Server, project: &Project, part: &str) -> Value {
    server.expect_building(project, &[&format!("parts/{part}")]);
    server.expect("built");
    server.expect("swapped")
}

#[test]
fn a_swap_replaces_the_component_that_has_changed() {
    let project = Project::of_parts(&["http-api", "task-leet"], MESSAGING);
    let mut server = Server::start(&project);
    let task = json!({ "payload": "Hello" }).to_string();
    project.choose_build("task-leet", 2);
    assert_eq!(swap(&mut server, &project, "task-leet")["components"], json!(["task-leet"]));
    assert_eq!(server.send("POST", "/task", &task), Answer::ok("H3110"));
    server.wait_for_stderr("task-leet | leet-build-02 got a message");
    project.choose_build("http-api", 2);
    assert_eq!(swap(&mut server, &project, "http-api")["components"], json!(["wash-dev-component"]));
    assert_eq!(server.header("/", "x-build").as_deref(), Some("api-build-02"));
    server.stop().assert_no_more_events();
}

#[test]
fn messages_go_to_the_new_version_at_once() {
    let project = Project::of_parts(&["http-api", "task-leet"], MESSAGING);
    let mut server = Server::start(&project);
    let task = json!({ "payload": "Hello" }).to_string();
    for build in 2..6 {
        project.choose_build("task-leet", build);
        swap(&mut server, &project, "task-leet");
        for _ in 0..5 {
            assert_eq!(server.send("POST", "/task", &task), Answer::ok("H3110"));
            let line = server.wait_for_stderr("got a message");
            assert!(line.contains(&format!("leet-build-{build:02}")), "{line}");
        }
    }
    server.stop().assert_no_more_events();
}

#[test]
fn a_service_that_has_not_changed_goes_on() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], SERVICE);
    let mut server = Server::start(&project);
    assert_eq!(server.get("/count"), Answer::ok("1 service-build-01"));
    for build in 2..4 {
        project.choose_build("http-tcp", build);
        let swapped = swap(&mut server, &project, "http-tcp");
        assert_eq!(swapped["service"], "kept");
        let count = server.get("/count");
        assert_eq!(count, Answer::ok(format!("{build} service-build-01")));
    }
    assert_eq!(server.header("/x", "x-build").as_deref(), Some("tcp-build-03"));
    server.stop().assert_no_more_events();
}

#[test]
fn a_service_that_has_changed_starts_again_while_components_answer() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], SERVICE);
    let mut server = Server::start(&project);
    let address = server.address();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut connection = Connection::open(address);
            let mut requests = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(connection.get("/hello"), Answer::ok("h3110"));
                requests += 1;
            }
            requests
        });
        let swaps = || {
            for build in 2..6 {
                project.choose_build("service-leet", build);
                let swapped = swap(&mut server, &project, "service-leet");
                assert_eq!(swapped["service"], "restarted");
                assert_eq!(swapped["components"], json!([]));
                let count = server.get("/count").body;
                assert!(count.ends_with(&format!(" service-build-{build:02}")), "{count}");
            }
        };
        // The client must end even where this fails.
        let swapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(swaps));
        stop.store(true, Ordering::Relaxed);
        assert!(client.join().unwrap() > 0);
        swapped.unwrap();
    });
    server.stop().assert_no_more_events();
}

#[test]
fn a_service_that_goes_on_calls_the_newest_component() {
    let more = "dev:\n  service: true\n  components:\n    - name: task\n      file: target/cron-task.wasm\n";
    let project = Project::of_parts(&["cron-service", "cron-task"], more);
    let mut server = Server::start(&project);
    server.wait_for_stderr("task | task-build-01 invoked");
    project.choose_build("cron-task", 2);
    assert_eq!(swap(&mut server, &project, "cron-task")["service"], "kept");
    server.wait_for_stderr("task | task-build-02 invoked");
    project.choose_build("cron-task", 3);
    swap(&mut server, &project, "cron-task");
    server.wait_for_stderr("task | task-build-03 invoked");
    assert_eq!(server.get("/"), Answer::ok("task-build-03"));
    let end = server.stop();
    end.assert_no_more_events();
    assert_eq!(end.stderr.matches("timer-build-01 starts").count(), 1, "{}", end.stderr);
}

#[test]
fn a_service_that_fails_is_told_and_started_again() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], SERVICE);
    let mut server = Server::start(&project);
    // It exits in the middle of the answer.
    server.get("/exit");
    let event = server.expect("service-restarting");
    assert_eq!(event["restarts"], 1);
    assert!(event["message"].as_str().unwrap().contains("exited with code 1"), "{event}");
    server.wait_for_stderr("service-build-01 listens");
    server.wait_for_stderr("service-build-01 listens");
    assert_eq!(server.get("/hello"), Answer::ok("h3110"));
    server.stop().assert_no_more_events();
}

#[test]
fn a_service_that_traps_at_its_start_leaves_the_old_one() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], SERVICE);
    let mut server = Server::start(&project);
    let trap = r#"(component
        (core module $m (func (export "run") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    project.offer("trap", wat::parse_str(trap).unwrap());
    project.replace("parts/service-leet", "trap");
    let failed = server.wait_for("build-failed");
    assert!(failed["message"].as_str().unwrap().contains("`service` fails when it starts"), "{failed}");
    assert_eq!(server.get("/hello"), Answer::ok("h3110"));
    assert_eq!(server.header("/hello", "x-wash-dev-stale").as_deref(), Some("1"));
    project.choose_build("service-leet", 2);
    swap(&mut server, &project, "service-leet");
    assert_eq!(server.get("/count"), Answer::ok("1 service-build-02"));
    assert_eq!(server.header("/hello", "x-wash-dev-stale"), None);
    server.stop();
}

#[test]
fn a_missing_part_is_named() {
    let project = Project::of_parts(&["http-api", "task-leet"], MESSAGING);
    std::fs::remove_file(project.path("parts/task-leet")).unwrap();
    let output = washlib_test::Output::of(&mut project.command()).assert_code(1);
    let output = output.assert_stderr_has("`task-leet` is missing").assert_stderr_has("target/task-leet.wasm");
    let _ = output.assert_stderr_has("hint: ");
}

#[test]
fn a_program_that_is_no_service_is_told_how_to_become_one() {
    let project = Project::of_parts(&["cron-service", "cron-task"], "");
    let output = washlib_test::Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has("`dev.service: true` in .wash/config.yaml");
}
