//! A running `wash dev`, ended when it is dropped.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Bench;
use super::client::Client;

pub(super) struct Server {
    child: Child,
    /// All but requests.
    events: Receiver<Value>,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts in a project, and returns when it serves.
    pub(super) fn start(bench: &Bench, project: &Path) -> Result<Self> {
        Self::start_with(bench, project, |_| ())
    }

    /// The same with what the project's build needs.
    pub(super) fn start_with(bench: &Bench, project: &Path, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new(&bench.wash_dev);
        command
            .args(["-o", "json", "--port", "0"])
            .current_dir(project)
            .env("XDG_CACHE_HOME", bench.home().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        prepare(&mut command);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", bench.wash_dev.display()))?;
        let events = read_events(child.stdout.take().context("no stdout")?);
        let mut server = Self { child, events, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let ready = server.wait_for("ready")?;
        server.address = ready["address"].as_str().context("no address")?.parse()?;
        Ok(server)
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// The next event of this type.
    pub(super) fn wait_for(&self, kind: &str) -> Result<Value> {
        for event in &self.events {
            if event["type"] == kind {
                return Ok(event);
            }
            if event["type"] == "error" || event["type"] == "build-failed" {
                bail!("{event}");
            }
        }
        bail!("it ended before `{kind}`")
    }
}

/// Reads by a thread of its own, as long as there is something.
fn read_events(stdout: ChildStdout) -> Receiver<Value> {
    let (sender, events) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(Ok(event)) = line.map(|line| serde_json::from_str::<Value>(&line)) else { return };
            if event["type"] != "request" && sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
