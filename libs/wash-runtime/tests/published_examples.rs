//! The Rust examples of the published documentation run, unchanged but for their line breaks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An example's program, which cargo builds beside the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(program.exists(), "`cargo build --examples` should have built {}", program.display());
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn hello() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/http-hello-world");
    washlib_test::guest::build(&project.canonicalize().unwrap())
}

/// Runs an example to its end and returns both outputs.
fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{}: {stdout}{stderr}", output.status);
    (stdout, stderr)
}

/// Both examples listen on port 8080, as they are published: one after the other.
#[test]
fn the_introduction_and_the_complete_host_run() {
    run(&mut example("usage"));

    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(hello(), folder.path().join("my-component.wasm")).unwrap();
    let mut host = example("custom_host").current_dir(folder.path()).spawn().unwrap();
    let mut output = BufReader::new(host.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("Host listening on") {
        assert_ne!(output.read_line(&mut said).unwrap(), 0, "the example ended early: {said}");
    }
    assert!(said.contains("Host started: my-custom-host\n") && said.contains("Workload started: "), "{said}");

    let mut answer = String::new();
    let mut stream = std::net::TcpStream::connect("127.0.0.1:8080").unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let pid = rustix::process::Pid::from_raw(i32::try_from(host.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    output.read_to_string(&mut said).unwrap();
    assert!(host.wait().unwrap().success());
    assert!(said.ends_with("Host shutdown complete\n"), "{said}");
}

#[test]
fn the_calls_of_a_running_host_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(hello(), folder.path().join("my-component.wasm")).unwrap();
    let (stdout, stderr) = run(example("managing_workloads").current_dir(folder.path()));
    assert!(stdout.contains("Workload is running\n"), "{stdout}");
    assert!(stdout.contains("Workloads: 1, Components: 1\n"), "{stdout}");
    assert!(stderr.contains("Failed to start workload: a workload with the id"), "{stderr}");
}

#[test]
fn a_plugin_is_what_the_guide_defines() {
    assert_eq!(run(&mut example("plugin_trait")).0, "Plugin: wasi-config\n");
}

#[test]
fn the_custom_plugin_starts_and_stops_with_its_host() {
    let (stdout, _) = run(&mut example("custom_plugin"));
    assert_eq!(stdout, "[my-app] Logger plugin started\n[my-app] Logger plugin stopped\n");
}
