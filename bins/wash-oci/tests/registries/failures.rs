//! When something gives way in the middle: nothing half-written is left.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use washlib_test::{Output, Sandbox, sandbox::tool_path};

use crate::Place;

/// What is in the work folder.
fn files(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.work()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs a command that cannot write files above so many kilobytes: the error of a full disk, but for its number.
pub(crate) fn with_little_room(sandbox: &Sandbox, kilobytes: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new("bash");
    sandbox.set_environment(&mut command);
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    command.current_dir(sandbox.work()).args(["-c", &script]).arg(tool_path("wash-oci")).args(arguments);
    Output::of(&mut command)
}

#[test]
fn a_disk_without_room() {
    let place = Place::new();
    place.push(2_000_000);
    fs::remove_file(place.sandbox.work().join("hello.wasm")).unwrap();
    let reference = place.reference("hello:v1");
    // The cache cannot take it.
    let output = with_little_room(&place.sandbox, 500, &["pull", &reference]).assert_code(1);
    assert!(output.stderr.contains("File too large"), "{}", output.stderr);
    assert_eq!(files(&place.sandbox), [""; 0]);
    // The cache has it, and the target cannot take it.
    let mut pull = place.sandbox.command("wash-oci");
    assert!(pull.args(["pull", &reference, "-"]).output().unwrap().status.success());
    let output = with_little_room(&place.sandbox, 500, &["pull", &reference]).assert_code(1);
    assert!(output.stderr.contains("cannot write component.wasm"), "{}", output.stderr);
    assert_eq!(files(&place.sandbox), [""; 0]);
    place.oci(&["pull", &reference]).assert_success();
}

#[test]
fn a_target_that_cannot_be_written() {
    let place = Place::new();
    place.push(10);
    let reference = place.reference("hello:v1");
    place
        .oci(&["pull", &reference, "missing/folder.wasm"])
        .assert_code(1)
        .assert_stderr_has("cannot write missing/folder.wasm");
    fs::create_dir(place.sandbox.work().join("folder")).unwrap();
    place.oci(&["pull", &reference, "folder"]).assert_code(1).assert_stderr_has("is a folder");
}

#[test]
fn ctrl_c_in_the_middle() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/hello:v1", listener.local_addr().unwrap());
    let mut command = sandbox.command("wash-oci");
    command.args(["pull", &reference]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // The registry has been asked, and says no more than that there will be an answer.
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 16];
    stream.read_exact(&mut request).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let started = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().last(), Some("error: interrupted"));
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn two_pulls_at_once() {
    let place = Place::new();
    place.push(1_000_000);
    let reference = place.reference("hello:v1");
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.sandbox.command("wash-oci");
            command.args(["pull", &reference]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fs::read(place.sandbox.work().join("component.wasm")).unwrap(), crate::component(1_000_000));
}

#[test]
fn what_the_registry_damaged_is_not_written() {
    let place = Place::new();
    place.component("hello.wasm", 1000);
    let reference = place.reference("hello:v1");
    let pushed = place.oci(&["-o", "json", "push", &reference, "hello.wasm"]).assert_success().json();
    let blob = place.registry.blob_path(pushed["data"]["content_digest"].as_str().unwrap());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[900] ^= 1;
    fs::write(&blob, bytes).unwrap();
    place.oci(&["pull", &reference]).assert_code(1).assert_stderr_has("but sha256:");
    assert_eq!(files(&place.sandbox), ["hello.wasm"]);
}
