//! `wash oci serve`, running.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use washlib_registry_server::Digest;
use washlib_test::Sandbox;

/// It is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    events: BufReader<ChildStdout>,
    errors: Option<ChildStderr>,
    pub(crate) ready: Value,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.command("wash-oci");
        command.args(["serve", "-o", "json", "--addr", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        let errors = child.stderr.take();
        let mut server = Self { child, events, errors, ready: Value::Null };
        server.ready = loop {
            let event = server.next_event();
            if event["type"] == "ready" {
                break event;
            }
        };
        server
    }

    pub(crate) fn next_event(&mut self) -> Value {
        let mut line = String::new();
        if self.events.read_line(&mut line).unwrap() == 0 {
            let mut errors = String::new();
            self.errors.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("it ended: {errors}");
        }
        serde_json::from_str(&line).unwrap_or_else(|err| panic!("{err}: {line}"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.ready["address"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["url"].as_str().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and returns the exit code and what it said.
    pub(crate) fn wait(mut self) -> (Option<i32>, String, String) {
        let (mut events, mut errors) = (String::new(), String::new());
        self.events.read_to_string(&mut events).unwrap();
        self.errors.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), events, errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A request; `None` where no answer came.
pub(crate) fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (status, _, body) = send_for_headers(method, url, headers, body)?;
    Some((status, body))
}

/// The same, with the response's headers.
pub(crate) fn send_for_headers(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<(u16, ureq::http::HeaderMap, Vec<u8>)> {
    let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = if matches!(method, "GET" | "HEAD" | "DELETE") {
        agent.run(request.body(()).unwrap())
    } else {
        agent.run(request.body(body).unwrap())
    };
    let mut response = response.ok()?;
    let content = response.body_mut().with_config().limit(1 << 30).read_to_vec().ok()?;
    Some((response.status().as_u16(), response.headers().clone(), content))
}

/// Pushes a blob in one request. Returns whether the registry said that it has it.
pub(crate) fn push_blob(base: &str, name: &str, content: &[u8]) -> bool {
    let url = format!("{base}/v2/{name}/blobs/uploads/?digest={}", Digest::sha256(content));
    send("POST", &url, &[], content).is_some_and(|(status, _)| status == 201)
}

/// The manifest of an artifact of one layer and an empty config.
pub(crate) fn manifest(layer: &[u8]) -> String {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::sha256(b"{}"), "size": 2 },
        "layers": [{ "mediaType": "application/wasm", "digest": Digest::sha256(layer), "size": layer.len() }],
    })
    .to_string()
}

/// Pushes an artifact. Returns whether the registry said that it has it.
pub(crate) fn push_artifact(base: &str, name: &str, tag: &str, layer: &[u8]) -> bool {
    let headers = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
    let url = format!("{base}/v2/{name}/manifests/{tag}");
    push_blob(base, name, b"{}")
        && push_blob(base, name, layer)
        && send("PUT", &url, &headers, manifest(layer).as_bytes()).is_some_and(|(status, _)| status == 201)
}

/// Checks that a folder is an image layout of which everything has the digest that it is named by.
pub(crate) fn assert_intact(layout: &Path) {
    let marker = std::fs::read_to_string(layout.join("oci-layout")).unwrap();
    assert_eq!(marker, r#"{"imageLayoutVersion":"1.0.0"}"#);
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), Digest::sha256(&content).hex(), "{}", path.display());
    }
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        let hex = entry["digest"].as_str().unwrap().trim_start_matches("sha256:");
        let content = std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(entry["size"], content.len());
        let manifest: Value = serde_json::from_slice(&content).unwrap();
        for blob in [&manifest["config"], &manifest["layers"][0]] {
            let hex = blob["digest"].as_str().unwrap().trim_start_matches("sha256:");
            assert!(layout.join("blobs/sha256").join(hex).is_file(), "{blob}");
        }
    }
}
