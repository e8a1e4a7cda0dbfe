//! What it refuses to start with, and what it says then.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;

use washlib_test::Output;

use crate::project::Project;
use crate::server::Server;

#[test]
fn a_key_that_is_not_supported_is_named_with_its_place() {
    let project = Project::with_config("dev:\n  wasi_otel: true\n");
    let output = Output::of(&mut project.command()).assert_code(2);
    let output = output.assert_stderr_has("dev.wasi_otel").assert_stderr_has(".wash/config.yaml line 5");
    let _ = output.assert_stderr_has("hint: ");
}

#[test]
fn a_key_that_asks_for_nothing_is_accepted() {
    let project = Project::with_config("dev:\n  service: false\n  volumes: []\n  wasi_webgpu: false\n");
    Server::start(&project).stop();
    let project = Project::with_config("dev:\n  wasi_webgpu: true\n");
    let _ = Output::of(&mut project.command()).assert_code(2).assert_stderr_has("dev.wasi_webgpu");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_its_neighbour() {
    let project = Project::with_config("dev:\n  adress: 127.0.0.1:0\n");
    let output = Output::of(&mut project.command()).assert_code(2);
    let output = output.assert_stderr_has("adress").assert_stderr_has(".wash/config.yaml line 5");
    let _ = output.assert_stderr_has("address");
}

#[test]
fn an_address_in_use_is_named_with_a_way_out() {
    let project = Project::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = Output::of(project.bare_command().args(["--address", &address])).assert_code(1);
    let output = output.assert_stderr_has(&address).assert_stderr_has("in use");
    let output = output.assert_stderr_has("wash dev --address 127.0.0.1:0");
    // Where the system tells, the program is named: this very test.
    let output = if cfg!(target_os = "linux") {
        output.assert_stderr_has(&format!("(process {}) listens there", std::process::id()))
    } else {
        output
    };
    assert_eq!(output.stdout, "");
    // It has not even begun to build.
    assert!(!project.path("app.wasm").exists());
}

#[test]
fn an_address_in_use_is_a_json_document() {
    let project = Project::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = Output::of(project.bare_command().args(["-o", "json", "--address", &address])).assert_code(1);
    let document = output.json();
    assert_eq!(document["success"], false);
    assert!(document["message"].as_str().unwrap().contains(&address));
    assert!(document["hints"][0].as_str().unwrap().contains("--address"));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["8000", "example.com:8000", "127.0.0.1", "127.0.0.1:70000"] {
        let project = Project::new();
        let output = Output::of(project.bare_command().args(["--address", address])).assert_code(2);
        let _ = output.assert_stderr_has(address);

        let project = Project::with_config(&format!("dev:\n  address: '{address}'\n"));
        let output = Output::of(&mut project.bare_command()).assert_code(2);
        let _ = output.assert_stderr_has(address).assert_stderr_has(".wash/config.yaml line 5");
    }
}

#[test]
fn an_address_of_another_machine_is_explained() {
    // From a range that is kept for documentation (RFC 5737).
    let project = Project::new();
    let output = Output::of(project.bare_command().args(["--address", "192.0.2.1:8000"])).assert_code(1);
    let _ = output.assert_stderr_has("this machine has no such address").assert_stderr_has("--address");
}

#[test]
fn a_folder_without_a_project_is_refused() {
    let project = Project::empty();
    let output = Output::of(&mut project.command()).assert_code(2);
    let _ = output.assert_stderr_has("no project found").assert_stderr_has("wash new http-hello-world");
}

#[test]
fn a_folder_that_does_not_exist_is_refused() {
    let project = Project::empty();
    let output = Output::of(project.command().args(["-C", "no-such-folder"])).assert_code(2);
    let _ = output.assert_stderr_has("no-such-folder");
}

#[test]
fn a_first_build_that_fails_ends_it_when_nobody_watches() {
    let project = Project::with_build("printf 'it is the %s\\n' 'flux capacitor' >&2; exit 7");
    let output = Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has("it is the flux capacitor").assert_stderr_has("exit code 7");
}

#[test]
fn a_first_build_that_fails_is_the_last_event() {
    let project = Project::with_build("exit 7");
    let output = Output::of(project.command().args(["-o", "json"])).assert_code(1);
    let last: serde_json::Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "error");
    assert_eq!(last["success"], false);
    assert!(last["message"].as_str().unwrap().contains("exit code 7"));
}

#[test]
fn a_first_component_that_cannot_be_served_ends_it_when_nobody_watches() {
    let project = Project::new();
    project.offer("silent", wat::parse_str("(component)").unwrap());
    project.choose("silent");
    let output = Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has("wasi:http/incoming-handler").assert_stderr_has("hint: ");
}

/// `wash dev` on a machine that has a shell and nothing else.
fn command_without_tools(project: &Project) -> Command {
    let shell = washlib_shell();
    std::fs::create_dir(project.outside("bin")).unwrap();
    symlink(shell, project.outside("bin/sh")).unwrap();
    let mut command = project.command();
    command.env("PATH", project.outside("bin"));
    command
}

fn washlib_shell() -> &'static str {
    // Where POSIX systems have it, whatever PATH says.
    "/bin/sh"
}

#[test]
fn a_missing_toolchain_is_named_with_the_way_to_install_it() {
    let project = Project::template();
    std::fs::remove_dir_all(project.path(".wash")).unwrap();
    let output = Output::of(&mut command_without_tools(&project)).assert_code(1);
    let _ = output.assert_stderr_has("`cargo` was not found").assert_stderr_has("https://rustup.rs");
}

#[test]
fn a_missing_program_in_the_build_command_is_explained() {
    let project = Project::template();
    let output = Output::of(&mut command_without_tools(&project)).assert_code(1);
    let _ = output.assert_stderr_has("exit code 127").assert_stderr_has("not on PATH");
}

#[test]
fn an_error_before_the_first_event_is_an_event_too() {
    let project = Project::with_config("dev:\n  adress: 127.0.0.1:0\n");
    let output = Output::of(project.command().args(["-o", "json"])).assert_code(2);
    let [line] = output.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{}", output.stdout) };
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["type"], "error", "{event}");
}
