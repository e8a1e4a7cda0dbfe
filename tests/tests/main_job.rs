//! The main job as a newcomer does it: scaffold, build, serve, edit, look again. Real template, real cargo, real server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use washlib_test::Sandbox;

/// Longer than any build of the template takes, even on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);

/// A program that serves, ended when dropped.
struct Server {
    process: Child,
    events: Receiver<Value>,
}

impl Server {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.command("wash");
        command.args(["-o", "json"]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in lines {
                let event = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Self { process, events }
    }

    fn wait_for(&self, kind: &str) -> Value {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|err| panic!("no event `{kind}`: {err}"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn stop(mut self) {
        std::process::Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn get(url: &str) -> String {
    ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap()
}

#[test]
fn a_component_is_scaffolded_built_served_and_swapped() {
    let sandbox = Sandbox::new();
    sandbox.run("wash", ["new", "http-hello-world", "--name", "hello"]).assert_success();
    let built = sandbox.run("wash", ["-C", "hello", "-o", "json", "build"]).assert_success().json();
    let component = sandbox.work().join("hello/target/wasm32-wasip2/release/hello.wasm");
    assert_eq!(built["data"]["component_path"].as_str(), component.to_str());
    assert!(component.metadata().unwrap().len() < 400_000, "a hello should be small");

    let server = Server::start(&sandbox, &["-C", "hello", "dev", "--address", "127.0.0.1:0"]);
    let ready = server.wait_for("ready");
    let url = ready["url"].as_str().unwrap();
    assert_eq!(get(url), "Hello from wasmCloud!\n");

    let source = sandbox.work().join("hello/src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, text.replace("Hello from wasmCloud!", "Hello from an edit!")).unwrap();
    server.wait_for("swapped");
    assert_eq!(get(url), "Hello from an edit!\n");
    server.stop();

    // The same folder on a host.
    let server = Server::start(&sandbox, &["host", "run", "hello", "--http-addr", "127.0.0.1:0"]);
    let ready = server.wait_for("ready");
    assert_eq!(get(ready["url"].as_str().unwrap()), "Hello from an edit!\n");
    server.stop();
}
