//! Projects: built first, or served as the last build left them.

use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

/// A project whose build copies a component.
fn project(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    sandbox.write(
        "app/.wash/config.yaml",
        format!("build:\n  command: cp ../probe.wasm app.wasm\n  component_path: app.wasm\n{more}"),
    );
    sandbox
}

#[test]
fn a_project_is_built_and_its_configuration_holds() {
    let sandbox = project("workload:\n  environment: {config: {VERSION: project, OTHER: x}}\n");
    let mut server = Server::launch(&sandbox, &["app"]);
    assert_eq!(server.wait_for("building")["project_path"], sandbox.work().join("app").to_str().unwrap());
    assert_eq!(server.wait_for("built")["component_path"], sandbox.work().join("app/app.wasm").to_str().unwrap());
    assert_eq!(server.wait_for("workload-started")["workload_id"], "default/app");
    server.wait_for("ready");
    assert_eq!(server.get("/version").body, "project");
    server.stop();
    // The command line goes first.
    let server = Server::start(&sandbox, &["app", "--env", "VERSION=flag"]);
    assert_eq!(server.get("/version").body, "flag");
    server.stop();
}

#[test]
fn what_the_last_build_left_is_served_without_a_build() {
    let sandbox = project("");
    sandbox
        .run("wash-host", ["run", "app", "--skip-build"])
        .assert_code(1)
        .assert_stderr_has("the project has not been built")
        .assert_stderr_has("wash build");
    guests::place(&sandbox, &guests::probe(), "app/app.wasm");
    sandbox.write("app/.wash/config.yaml", "build:\n  command: exit 3\n  component_path: app.wasm\n");
    let server = Server::start(&sandbox, &["app", "--no-build"]);
    assert_eq!(server.get("/version").status, 200);
    server.stop();
    sandbox.run("wash-host", ["run", "app"]).assert_code(1).assert_stderr_has("exit code 3");
}

#[test]
fn a_key_that_is_not_supported_is_refused() {
    let sandbox = project("workload:\n  allowedIpNameLookups: [example.com]\n");
    sandbox
        .run("wash-host", ["run", "app"])
        .assert_code(2)
        .assert_stderr_has("workload.allowedIpNameLookups (.wash/config.yaml line");
}
