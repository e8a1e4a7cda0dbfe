//! WIT dependencies are in place before the build begins, unless somebody says otherwise.

use std::fs;
use std::net::TcpListener;

use crate::workbench::Workbench;

const LOG: &str = "package acme:log@1.0.0;\ninterface logging { log: func(text: string); }\n";
const WORLD: &str = "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n";

/// A project that needs a package of a registry in a folder; its build works only with the package.
fn workbench(more: &str) -> Workbench {
    let config = format!(
        "build:\n  command: test -f wit/deps/acme-log-1.0.0/package.wit && cp ../fixtures/component.wasm out.wasm\n  component_path: out.wasm\n{more}"
    );
    let workbench = Workbench::with_config(&config);
    workbench.write("wit/world.wit", WORLD);
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("log.wit", LOG).unwrap();
    let bytes = wit_component::encode(&resolve, package).unwrap();
    let registry = workbench.sandbox().write("registry/acme/log/1.0.0.wasm", bytes);
    let root = registry.ancestors().nth(3).unwrap().display().to_string();
    workbench.sandbox().write(
        "../home/.config/wasm-pkg/config.toml",
        format!(
            "[namespace_registries]\nacme = \"test.registry\"\n[registry.\"test.registry\".local]\nroot = \"{root}\"\n"
        ),
    );
    workbench
}

#[test]
fn dependencies_are_fetched_first() {
    let workbench = workbench("");
    let output = workbench.build([""; 0]).assert_success();
    assert!(output.stderr.contains("Added acme:log@1.0.0"), "{}", output.stderr);
    assert!(workbench.read("wkg.lock").contains("acme:log"));

    // Once they are there, nothing is asked and nothing is said.
    fs::remove_dir_all(workbench.path("../registry")).unwrap();
    let output = workbench.build([""; 0]).assert_success();
    assert!(!output.stderr.contains("acme:log"), "{}", output.stderr);
}

#[test]
fn nothing_is_fetched_when_told_so() {
    let workbench = workbench("");
    workbench.build(["--skip-fetch"]).assert_code(1);
    assert!(!workbench.path("wit/deps").exists() && !workbench.path("wkg.lock").exists());

    let workbench = self::workbench("wit:\n  skip_fetch: true\n");
    workbench.build([""; 0]).assert_code(1);
    assert!(!workbench.path("wit/deps").exists());
}

#[test]
fn the_configured_folder_counts() {
    let workbench = workbench("wit:\n  wit_dir: interfaces\n");
    fs::rename(workbench.path("wit"), workbench.path("interfaces")).unwrap();
    workbench.build([""; 0]).assert_code(1);
    assert!(workbench.path("interfaces/deps/acme-log-1.0.0/package.wit").is_file());
}

#[test]
fn a_failed_fetch_keeps_the_build_from_starting() {
    let workbench = workbench("");
    fs::remove_dir_all(workbench.path("../registry")).unwrap();
    workbench.write("wit/other.wit", "interface broken {\n");
    let output = workbench.build([""; 0]).assert_code(2);
    assert!(output.stderr.contains("wit/other.wit:2") && !output.stderr.contains("Running"), "{}", output.stderr);
    fs::remove_file(workbench.path("wit/other.wit")).unwrap();
    let output = workbench.build([""; 0]).assert_code(1);
    assert!(output.stderr.contains("acme:log") && output.stderr.contains("--skip-fetch"), "{}", output.stderr);
}

#[test]
fn a_project_without_wit_contacts_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let workbench = Workbench::with_config(&format!(
        "build:\n  command: cp ../fixtures/component.wasm out.wasm\n  component_path: out.wasm\nwit:\n  registries:\n    - url: {url}\n"
    ));
    workbench.build([""; 0]).assert_success();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
