//! What happens when there is something to serve and the next version is bad.

use serde_json::Value;
use washlib_test::hostile::{nested_components, nested_types};

use crate::connection::{Answer, Connection};
use crate::project::{Project, config, greeting};
use crate::server::Server;

/// The project serves its first version; after the change it must still, and say why.
fn expect_failure(server: &mut Server) -> Value {
    let mut connection = Connection::open(server.address());
    let event = server.wait_for("build-failed");
    assert_eq!(event["serving"], true);
    assert_eq!(connection.get("/"), Answer::ok(greeting(1)));
    assert_eq!(connection.last_header("x-wash-dev-stale").as_deref(), Some("1"));
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    event
}

/// The next good version takes over.
fn expect_recovery(mut server: Server, project: &Project) {
    project.choose_version(2);
    server.expect_swap(project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    assert_eq!(server.header("/", "x-wash-dev-stale"), None);
    server.stop().assert_no_more_events();
}

fn text(event: &Value) -> String {
    let mut text = event["message"].as_str().unwrap().to_owned();
    for cause in event["causes"].as_array().unwrap() {
        text.push_str(": ");
        text.push_str(cause.as_str().unwrap());
    }
    text
}

fn hints(event: &Value) -> String {
    let hints = event["hints"].as_array().unwrap();
    hints.iter().map(|hint| hint.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` should be in: {text}");
}

#[test]
fn a_failing_build_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.choose("missing");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "failed: exit code 1");
    assert_has(&server.wait_for_stderr("missing.wasm"), "cp");
    expect_recovery(server, &project);
}

#[test]
fn a_build_that_needs_a_missing_program_keeps_the_last_version() {
    let project = Project::with_build(r#"$(cat tool.txt) "../components/$(cat which.txt).wasm" app.wasm"#);
    project.write("tool.txt", "cp");
    let mut server = Server::start(&project);
    project.replace("tool.txt", "no-such-tool");
    let event = expect_failure(&mut server);
    assert_has(&hints(&event), "not on PATH");
    project.replace("tool.txt", "cp");
    server.wait_for("unchanged");
    expect_recovery(server, &project);
}

#[test]
fn a_result_that_is_no_component_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.offer("text", "this is a text file");
    project.choose("text");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "app.wasm is not a component");
    assert_has(&hints(&event), "build.component_path");
    expect_recovery(server, &project);
}

#[test]
fn a_truncated_component_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let bytes = std::fs::read(project.path("app.wasm")).unwrap();
    project.offer("half", &bytes[..bytes.len() / 2]);
    project.choose("half");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "app.wasm");
    expect_recovery(server, &project);
}

/// The validator would overflow the stack with the first, and take more than a gigabyte for the second.
#[test]
fn a_component_that_asks_for_too_much_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.offer("types", nested_types(0x42, 1_000));
    project.choose("types");
    assert_has(&text(&expect_failure(&mut server)), "types are nested more than 100 deep");
    project.offer("components", nested_components(5_000));
    project.choose("components");
    assert_has(&text(&expect_failure(&mut server)), "components are nested more than 100 deep");
    expect_recovery(server, &project);
}

#[test]
fn a_component_without_the_handler_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.offer("silent", wat::parse_str("(component)").unwrap());
    project.choose("silent");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "wasi:http/incoming-handler");
    assert_has(&hints(&event), "must export");
    expect_recovery(server, &project);
}

#[test]
fn a_component_with_an_unknown_import_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let component = r#"(component
        (import "example:unknown/thing@1.0.0" (instance (export "ask" (func))))
        (instance $handler)
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;
    project.offer("greedy", wat::parse_str(component).unwrap());
    project.choose("greedy");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "example:unknown/thing@1.0.0");
    let hint = "add a component that exports example:unknown/thing@1.0.0 to dev.components in .wash/config.yaml";
    assert_has(&hints(&event), hint);
    assert_has(&hints(&event), "    dev:\n      components:\n        - name: thing\n          file: thing.wasm");
    expect_recovery(server, &project);
}

#[test]
fn a_component_for_another_release_of_wasi_is_told_which_there_are() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let component = r#"(component
        (import "wasi:clocks/monotonic-clock@0.4.0" (instance (export "now" (func (result u64)))))
        (instance $handler)
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;
    project.offer("early", wat::parse_str(component).unwrap());
    project.choose("early");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "`wash-dev-component` imports wasi:clocks/monotonic-clock@0.4.0");
    assert_has(&hints(&event), "is built for wasi:clocks@0.4.0, and this host has the releases 0.2 and 0.3 of WASI");
    assert_has(&hints(&event), "`wash wit add wasi:clocks@0.2.0`");
    // Others need no release of their own.
    let component = component.replace("wasi:clocks/monotonic-clock@0.4.0", "wasi:keyvalue/store@0.9.0");
    project.offer("other", wat::parse_str(component).unwrap());
    project.choose("other");
    let event = expect_failure(&mut server);
    assert_has(&hints(&event), "this host has wasi:keyvalue, but not wasi:keyvalue/store@0.9.0");
    expect_recovery(server, &project);
}

#[test]
fn a_component_that_wants_another_version_of_its_sibling_is_told_which_there_is() {
    let sibling = r#"(component
        (instance $thing)
        (export "acme:foo/bar@2.0.0" (instance $thing)))"#;
    let component = r#"(component
        (import "acme:foo/bar@1.0.0" (instance (export "ask" (func))))
        (instance $handler)
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;
    let project = Project::with_config("dev: { components: [{ name: other, file: other.wasm }] }\n");
    project.write("other.wasm", wat::parse_str(sibling).unwrap());
    project.offer("wanting", wat::parse_str(component).unwrap());
    project.choose("wanting");
    let output = washlib_test::Output::of(&mut project.command()).assert_code(1);
    let output = output.assert_stderr_has("`wash-dev-component` imports acme:foo/bar@1.0.0, which nothing provides");
    let _ = output.assert_stderr_has("`other` exports acme:foo/bar@2.0.0");
}

#[test]
fn an_interface_that_the_host_has_not_is_told_with_who_imports_it() {
    let component = r#"(component
        (import "wasi:keyvalue/cas@0.2.0-draft" (instance (export "ask" (func))))
        (instance $handler)
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;
    let project = Project::new();
    project.offer("greedy", wat::parse_str(component).unwrap());
    project.choose("greedy");
    let output = washlib_test::Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has("this host has no wasi:keyvalue/cas@0.2.0-draft: remove the import from");
}

#[test]
fn a_component_that_traps_at_its_start_keeps_the_last_version() {
    let project = Project::probe("workload:\n  environment:\n    config: { VERSION: one }\n");
    let mut server = Server::start(&project);
    project.configure(&(config() + "workload:\n  environment:\n    config: { TRAP_AT_START: 'yes', VERSION: two }\n"));
    let event = server.wait_for("build-failed");
    assert_has(&text(&event), "fails when it starts");
    assert_eq!(server.get("/version"), Answer::ok("one"));
    server.stop().assert_no_more_events();
}

#[test]
fn a_broken_configuration_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.configure("build:\n  comand: cp\n");
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "comand");
    assert_has(&text(&event), ".wash/config.yaml");
    assert_has(&format!("{} {}", text(&event), hints(&event)), "command");
    // As often as one likes, and right after one another: no build has run that could have written the file.
    for _ in 0..5 {
        project.configure("build: [");
        expect_failure(&mut server);
        project.configure("build: {");
        expect_failure(&mut server);
    }
    project.configure(&config());
    server.wait_for("unchanged");
    expect_recovery(server, &project);
}

#[test]
fn a_key_that_is_not_supported_keeps_the_last_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.configure(&(config() + "dev:\n  wasi_otel: true\n"));
    let event = expect_failure(&mut server);
    assert_has(&text(&event), "dev.wasi_otel");
    project.configure(&config());
    server.wait_for("unchanged");
    expect_recovery(server, &project);
}

#[test]
fn a_new_address_is_announced_as_ineffective() {
    let project = Project::with_config("dev:\n  address: 127.0.0.1:0\n");
    let mut command = project.bare_command();
    command.args(["-o", "json"]);
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    project.configure(&(config() + "dev:\n  address: 127.0.0.1:1\n"));
    server.wait_for("unchanged");
    server.wait_for_stderr("a new address takes effect after a restart");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    server.stop();
}

#[test]
fn a_project_that_is_removed_ends_nothing() {
    let project = Project::new();
    let mut server = Server::start(&project);
    std::fs::remove_file(project.path("which.txt")).unwrap();
    std::fs::remove_dir_all(project.path(".wash")).unwrap();
    expect_failure(&mut server);
    server.stop();
}
