//! WIT packages that a world names: fetched before the build that needs them, and only then.

use std::fs;

use washlib_registry_server::quirks::TestRegistry;
use washlib_test::Output;

use crate::connection::Answer;
use crate::project::{Project, greeting};
use crate::server::Server;

const PLAIN: &str = "package acme:app;\nworld app {}\n";
const WITH_LOG: &str = "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n";

/// A project whose packages of `acme` are in this registry.
fn project(registry: &TestRegistry, more: &str) -> Project {
    let project = Project::with_config(more);
    let configuration = format!("[namespace_registries]\nacme = \"{}\"\n", registry.host());
    project.write_home(".config/wasm-pkg/config.toml", configuration);
    project.write("wit/world.wit", PLAIN);
    project
}

fn publish(registry: &TestRegistry) {
    let text = "package acme:log@1.0.0;\ninterface logging { log: func(text: string); }\n";
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("log.wit", text).unwrap();
    crate::images::put(registry, "acme/log", "1.0.0", &wit_component::encode(&resolve, package).unwrap());
}

#[test]
fn a_package_that_a_save_names_is_fetched_and_no_build_follows_because_of_that() {
    let registry = TestRegistry::start();
    publish(&registry);
    let project = project(&registry, "");
    let mut server = Server::start(&project);
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    project.replace("wit/world.wit", WITH_LOG);
    server.expect_building(&project, &["wit/world.wit"]);
    server.expect("built");
    server.expect("unchanged");
    assert!(project.path("wit/deps/acme-log-1.0.0/package.wit").is_file());
    assert!(fs::read_to_string(project.path("wkg.lock")).unwrap().contains("acme:log"));
    // What other saves ask for is here.
    registry.forget_requests();
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    server.stop().assert_no_more_events();
}

#[test]
fn what_does_not_come_is_told_and_the_build_goes_on() {
    let registry = TestRegistry::start();
    let project = project(&registry, "");
    project.write("wit/world.wit", WITH_LOG);
    let mut server = Server::start(&project);
    server.wait_for_stderr("building with what is in the WIT folder: ");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    registry.forget_requests();
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    server.stop();
}

#[test]
fn nothing_is_fetched_where_the_configuration_says_so() {
    let registry = TestRegistry::start();
    publish(&registry);
    let project = project(&registry, "wit: { skip_fetch: true }\n");
    project.write("wit/world.wit", WITH_LOG);
    let server = Server::start(&project);
    assert!(!project.path("wit/deps").exists());
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    server.stop();
}

#[test]
fn wit_that_is_none_leaves_the_last_good_version() {
    let registry = TestRegistry::start();
    let project = project(&registry, "");
    let mut server = Server::start(&project);
    project.replace("wit/world.wit", "package acme:app;\nworld {\n");
    let failed = server.wait_for("build-failed");
    assert!(failed.to_string().contains("world.wit"), "{failed}");
    assert_eq!(server.header("/", "x-wash-dev-stale").as_deref(), Some("1"));
    project.replace("wit/world.wit", PLAIN);
    server.wait_for("unchanged");
    assert_eq!(server.header("/", "x-wash-dev-stale"), None);
    server.stop();
    project.replace("wit/world.wit", "package acme:app;\nworld {\n");
    let _ = Output::of(&mut project.command()).assert_code(1).assert_stderr_has("world.wit");
}
