//! Components and services that come from a registry.

use serde_json::json;
use washlib_registry_server::quirks::TestRegistry;
use washlib_test::Output;

use crate::connection::Answer;
use crate::project::{Project, build_of_guide};
use crate::server::Server;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Puts a build of a guide's component there, under the tag `1`.
fn publish(registry: &TestRegistry, part: &str, build: usize) -> String {
    let repository = format!("parts/{part}");
    put(registry, &repository, "1", &build_of_guide(part, build));
    format!("{}/{repository}:1", registry.host())
}

/// Puts WebAssembly there as wkg does.
pub(crate) fn put(registry: &TestRegistry, repository: &str, tag: &str, bytes: &[u8]) {
    let config = registry.put_blob(repository, b"{}");
    let layer = registry.put_blob(repository, bytes);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2 },
        "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": bytes.len() }],
    });
    registry.put_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
}

fn component(image: &str, more: &str) -> String {
    format!("dev: {{ components: [{{ name: task-leet, image: '{image}' {more} }}] }}\n")
}

fn shout(server: &Server) -> Answer {
    server.send("POST", "/task", &json!({ "payload": "Hello" }).to_string())
}

#[test]
fn a_component_is_pulled_once_and_then_comes_from_the_cache() {
    let registry = TestRegistry::start();
    let image = publish(&registry, "task-leet", 1);
    let project = Project::of_parts(&["http-api"], &component(&image, ""));
    let mut server = Server::launch(&project);
    assert_eq!(server.wait_for("pulling")["reference"], image);
    assert_eq!(server.expect("pulled")["from"], "registry");
    server.wait_for("ready");
    assert_eq!(shout(&server), Answer::ok("H3110"));
    registry.forget_requests();
    project.choose_build("http-api", 2);
    server.expect_swap(&project, &["parts/http-api"]);
    assert_eq!(shout(&server), Answer::ok("H3110"));
    server.stop().assert_no_more_events();

    let mut server = Server::launch(&project);
    assert_eq!(server.wait_for("pulled")["from"], "cache");
    server.wait_for("ready");
    assert_eq!(shout(&server), Answer::ok("H3110"));
    server.stop().assert_no_more_events();
    assert_eq!(registry.request_lines(), Vec::<String>::new());
}

#[test]
fn a_start_asks_anew_for_what_is_to_be_pulled_always() {
    let registry = TestRegistry::start();
    let image = publish(&registry, "task-leet", 1);
    let project = Project::of_parts(&["http-api"], &component(&image, ", pullPolicy: always"));
    for build in 1..3 {
        publish(&registry, "task-leet", build);
        let mut server = Server::start(&project);
        assert_eq!(shout(&server), Answer::ok("H3110"));
        server.wait_for_stderr(&format!("task-leet | leet-build-{build:02} got a message"));
        server.stop();
    }
}

#[test]
fn a_service_can_be_an_image() {
    let registry = TestRegistry::start();
    let image = publish(&registry, "service-leet", 1);
    let project = Project::of_parts(&["http-tcp"], &format!("dev: {{ service_image: '{image}' }}\n"));
    let mut server = Server::start(&project);
    assert_eq!(server.get("/count"), Answer::ok("1 service-build-01"));
    project.choose_build("http-tcp", 2);
    server.expect_building(&project, &["parts/http-tcp"]);
    server.expect("built");
    assert_eq!(server.expect("swapped")["service"], "kept");
    server.stop();
}

#[test]
fn an_image_that_the_configuration_names_later_is_pulled_then() {
    let registry = TestRegistry::start();
    let image = publish(&registry, "task-leet", 1);
    let project = Project::of_parts(&["http-api"], "");
    let mut server = Server::start(&project);
    assert_eq!(shout(&server).status, 502);
    let before = std::fs::read_to_string(project.path(".wash/config.yaml")).unwrap();
    project.configure(&(before + &component(&image, "")));
    server.wait_for("pulled");
    server.wait_for("swapped");
    assert_eq!(shout(&server), Answer::ok("H3110"));
    server.stop();
}

#[test]
fn an_image_that_cannot_be_had_is_told_with_what_helps() {
    let registry = TestRegistry::start();
    let image = format!("{}/parts/none:1", registry.host());
    let fails = |more: &str, code, message: &str| {
        let project = Project::of_parts(&["http-api"], &component(&image, more));
        let output = Output::of(&mut project.command()).assert_code(code);
        output.assert_stderr_has(message)
    };
    let _ = fails("", 1, &format!("cannot pull {image}"));
    let _ = fails(", pullPolicy: never", 1, "is not in the cache").assert_stderr_has("hint: `wash oci pull ");
    let _ = fails(", file: a.wasm", 2, "exclude each other");
    let project = Project::of_parts(&["http-api"], &component("Not An Image", ""));
    let output = Output::of(&mut project.command()).assert_code(2);
    let _ = output.assert_stderr_has("`Not An Image` (").assert_stderr_has("does not name an image");
}

#[test]
fn an_image_that_is_not_signed_as_the_configuration_demands_is_not_served() {
    let registry = TestRegistry::start();
    let image = publish(&registry, "task-leet", 1);
    let key = "-----BEGIN PUBLIC KEY-----\n\
               MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEr8kpIdCjFivPRQUegNKxnE8jneCM\n\
               7KG9W+3X59GbNCPX5caP1mh9id7YFJpJN70GFJxpb0Q3dVk99XlfcWGmCg==\n\
               -----END PUBLIC KEY-----\n";
    let rule = "oci: { verification: [{ keys: [key.pub] }] }\n";
    let project = Project::of_parts(&["http-api"], &(component(&image, "") + rule));
    project.write("key.pub", key);
    let output = Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has("must not be used");
}
