//! Compiled code on disk, and `wash host cache`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

fn entries(sandbox: &Sandbox, more: &[&str]) -> Vec<Value> {
    let list = sandbox.run("wash-host", [&["cache", "list", "-o", "json"], more].concat()).assert_success().json();
    list["data"]["entries"].as_array().unwrap().clone()
}

fn run(sandbox: &Sandbox, more: &[&str]) {
    Server::start(sandbox, &[&["hello.wasm"], more].concat()).stop();
}

#[test]
fn a_host_keeps_what_it_has_compiled() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    // Looking makes no folder.
    assert!(entries(&sandbox, &[]).is_empty());
    let folder = sandbox.home().join(".cache/wash/code");
    assert!(!folder.exists());
    run(&sandbox, &["--no-cache"]);
    assert!(entries(&sandbox, &[]).is_empty());

    run(&sandbox, &[]);
    let kept = entries(&sandbox, &[]);
    assert_eq!(kept.len(), 1);
    let size = fs::metadata(sandbox.work().join("hello.wasm")).unwrap().len();
    assert_eq!(kept[0]["component_size"].as_u64(), Some(size));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    run(&sandbox, &[]);
    assert_eq!(entries(&sandbox, &[]).len(), 1);

    let verified = sandbox.run("wash-host", ["cache", "verify", "-o", "json"]).assert_success().json();
    assert_eq!(verified["data"]["intact"], 1);
    sandbox.run("wash-host", ["cache", "prune", "--max-age", "1day"]).assert_success();
    assert_eq!(entries(&sandbox, &[]).len(), 1);
    sandbox.run("wash-host", ["cache", "prune", "--max-size", "0"]).assert_success();
    assert!(entries(&sandbox, &[]).is_empty());
    run(&sandbox, &[]);
    let cleared = sandbox.run("wash-host", ["cache", "clear"]).assert_success();
    assert!(cleared.stdout.starts_with("removed 1 entries, "), "{}", cleared.stdout);
    assert!(entries(&sandbox, &[]).is_empty());
}

#[test]
fn the_folder_is_where_one_wants_it() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    run(&sandbox, &["--cache-dir", "here/code"]);
    assert_eq!(entries(&sandbox, &["--cache-dir", "here/code"]).len(), 1);
    let path = |sandbox: &Sandbox| sandbox.run("wash-host", ["cache", "path"]).assert_success().stdout;
    assert_eq!(path(&sandbox).trim_end(), sandbox.home().join(".cache/wash/code").to_str().unwrap());
    let elsewhere = Sandbox::new().with_variable("XDG_CACHE_HOME", "/some/where");
    assert_eq!(path(&elsewhere), "/some/where/wash/code\n");
    sandbox.run("wash-host", ["cache", "prune"]).assert_code(2).assert_stderr_has("--max-size");
}

#[test]
fn a_folder_that_others_can_write_is_not_used() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    let folder = sandbox.home().join(".cache/wash/code");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    // The host runs without it, and says so.
    let mut server = Server::launch(&sandbox, &["hello.wasm"]);
    let warning = server.wait_for("warning");
    assert!(warning["message"].as_str().unwrap().contains("writable by others"), "{warning}");
    server.wait_for("ready");
    assert_eq!(server.get("/").status, 200);
    server.stop();
    sandbox.run("wash-host", ["cache", "list"]).assert_code(1).assert_stderr_has("chmod 700");
    // Where somebody has named it, it is an error.
    let folder = folder.to_str().unwrap();
    sandbox.run("wash-host", ["run", "hello.wasm", "--cache-dir", folder]).assert_code(1);
}
