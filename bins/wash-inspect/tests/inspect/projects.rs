//! A project instead of a file: its component, built if there is none.

use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect};

/// A project whose build copies a component that is there already.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("made.wasm", component(WIT));
    sandbox.write(
        ".wash/config.yaml",
        "build:\n  command: mkdir -p out && cp made.wasm out/app.wasm && echo built >> log\n  component_path: out/app.wasm\n",
    );
    sandbox.write("wit/shop.wit", WIT);
    sandbox.write("src/deep/file", "");
    sandbox
}

#[test]
fn a_project_is_built_once_and_then_taken_as_it_is() {
    let sandbox = project();
    let wit = inspect(&sandbox, &["made.wasm"]).assert_success().stdout;
    let first = inspect(&sandbox, &[]).assert_success().assert_stderr_has("Building");
    assert_eq!(first.stdout, wit);
    let from_inside = inspect(&sandbox, &["-C", "src/deep"]).assert_success();
    assert_eq!((from_inside.stdout.as_str(), from_inside.stderr.as_str()), (wit.as_str(), ""));
    let named = inspect(&sandbox, &["."]).assert_success();
    assert_eq!(named.stdout, wit);
    assert_eq!(std::fs::read_to_string(sandbox.work().join("log")).unwrap(), "built\n");
    let json = inspect(&sandbox, &["-o", "json"]).assert_success().json();
    assert!(json["data"]["reference"].as_str().unwrap().ends_with("out/app.wasm"));
}

#[test]
fn a_projects_wit_folder_holds_the_world_to_check_against() {
    let sandbox = project();
    inspect(&sandbox, &["check", "--world", "store"]).assert_success();
    inspect(&sandbox, &["check", "--host", "wash"]).assert_code(1);
    let diff = inspect(&sandbox, &["diff", "wit", "."]).assert_success();
    assert!(diff.stdout.contains("verdict: patch"), "{}", diff.stdout);
}

#[test]
fn without_a_project_it_says_what_to_do() {
    let sandbox = Sandbox::new();
    inspect(&sandbox, &[]).assert_code(2).assert_stderr_has("hint: name a file: `wash inspect hello.wasm`");
    // A reference, and nobody listens there.
    let reference = inspect(&sandbox, &["127.0.0.1:1/me/hello:1", "--insecure"]).assert_code(1);
    assert!(reference.stderr.contains("cannot pull 127.0.0.1:1/me/hello:1"), "{}", reference.stderr);
}

#[test]
fn a_build_that_fails_is_the_builds_error() {
    let sandbox = project();
    sandbox.write(".wash/config.yaml", "build:\n  command: exit 3\n  component_path: out/app.wasm\n");
    inspect(&sandbox, &[]).assert_code(1).assert_stderr_has("exit 3");
}
