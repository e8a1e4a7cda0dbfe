//! What `wash host run` tells while it runs: lines for people on stderr, or an event per line of JSON on stdout.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use wash_runtime::host::invoke::InvokeOutcome;
use wash_runtime::oci::Image;
use wash_runtime::oci::client::{Reference, Source};
use washlib_build::{Adapter, Built, Reporter};
use washlib_cli::{CommandError, Ui};

use crate::command_error;
use crate::events::{Event, Events};
use crate::interrupts::Interrupts;

/// Tells a person or a program what happens.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    ui: Ui,
    scheme: &'static str,
    /// For programs, if one reads along.
    events: Option<Events>,
}

/// What became of the function that was called.
#[derive(Debug, Serialize)]
struct Invoked {
    /// The result as WAVE writes it.
    wave: Option<String>,
    /// The result as JSON.
    result: serde_json::Value,
}

impl Report {
    /// For a host that serves. It is interrupted when nobody can read its events any more.
    pub(crate) fn serving(ui: &Ui, scheme: &'static str, interrupts: &Interrupts) -> Result<Self, CommandError> {
        let events = if ui.is_json() { Some(Events::start(ui, interrupts)?) } else { None };
        Ok(Self { ui: ui.clone(), scheme, events })
    }

    /// For a host that calls one function: stdout belongs to its result.
    pub(crate) fn invoking(ui: &Ui) -> Self {
        Self { ui: ui.clone(), scheme: "http", events: None }
    }

    /// Waits until programs have been told everything, unless nobody reads.
    pub(crate) fn finish(&self) -> Result<(), CommandError> {
        self.events.as_ref().map_or(Ok(()), Events::finish)
    }

    pub(crate) fn warn(&self, text: &str) {
        self.ui.warn(text);
        self.event(&Event::Warning { message: text });
    }

    pub(crate) fn building(&self, project_path: &Path) {
        self.ui.status("Building", &project_path.display().to_string());
        self.event(&Event::Building { project_path });
    }

    pub(crate) fn built(&self, built: &Built) {
        let (path, seconds) = (built.component_path.display(), built.elapsed.as_secs_f64());
        self.ui.status("Built", &format!("{path} ({} kB) in {seconds:.1}s", built.size.div_ceil(1000)));
        self.event(&Event::Built {
            component_path: &built.component_path,
            size: built.size,
            elapsed_ms: milliseconds(built.elapsed),
        });
    }

    pub(crate) fn pulling(&self, reference: &Reference) {
        let image = reference.to_string();
        self.ui.status("Pulling", &image);
        self.event(&Event::Pulling { image: &image });
    }

    pub(crate) fn pulled(&self, pulled: &Image, elapsed: Duration) {
        let (image, digest, size) = (pulled.reference.to_string(), pulled.digest.to_string(), pulled.bytes.len());
        let from_cache = pulled.source == Source::Cache;
        let from = if from_cache { "from the cache" } else { "from the registry" };
        self.ui.status("Pulled", &format!("{digest} ({} kB) {from}", size.div_ceil(1000)));
        let elapsed_ms = milliseconds(elapsed);
        self.event(&Event::Pulled { image: &image, digest: &digest, size, from_cache, elapsed_ms });
    }

    pub(crate) fn started(&self, host_name: &str, address: SocketAddr, admin_address: Option<SocketAddr>) {
        let url = self.url(address);
        self.ui.status("Listening", &format!("on {url}"));
        if let Some(admin) = admin_address {
            self.ui.status("Listening", &format!("on http://{admin} for /livez, /readyz and /metrics"));
        }
        self.event(&Event::Started { host_name, address, url: &url, admin_address });
    }

    pub(crate) fn workload_started(&self, workload_id: &str, hosts: &[String], elapsed: Duration) {
        let on = if hosts.is_empty() || hosts == ["*"] { String::new() } else { format!(", on {}", hosts.join(", ")) };
        self.ui.status("Started", &format!("{workload_id} in {} ms{on}", milliseconds(elapsed)));
        let (namespace, name) = workload_id.split_once('/').unwrap_or(("", workload_id));
        self.event(&Event::WorkloadStarted { workload_id, namespace, name, hosts, elapsed_ms: milliseconds(elapsed) });
    }

    /// One of perhaps thousands: people get their number.
    pub(crate) fn workload_registered(&self, workload_id: &str, hosts: &[String]) {
        let (namespace, name) = workload_id.split_once('/').unwrap_or(("", workload_id));
        self.event(&Event::WorkloadRegistered { workload_id, namespace, name, hosts });
    }

    pub(crate) fn registered(&self, workloads: usize) {
        let text = match workloads {
            1 => "1 workload, which its first request loads".to_owned(),
            several => format!("{several} workloads, each of which its first request loads"),
        };
        self.ui.status("Registered", &text);
    }

    pub(crate) fn workload_loaded(&self, workload_id: &str) {
        self.ui.status("Loaded", workload_id);
        self.event(&Event::WorkloadLoaded { workload_id });
    }

    pub(crate) fn workload_unloaded(&self, workload_id: &str) {
        self.ui.status("Unloaded", workload_id);
        self.event(&Event::WorkloadUnloaded { workload_id });
    }

    pub(crate) fn workload_load_failed(&self, workload_id: &str, message: &str) {
        self.ui.warn(&format!("{workload_id} could not be loaded: {message}"));
        self.event(&Event::WorkloadLoadFailed { workload_id, message });
    }

    pub(crate) fn ready(&self, address: SocketAddr, workloads: usize, elapsed: Duration) {
        let url = self.url(address);
        self.ui.status("Serving", &format!("{url} (started in {} ms)", milliseconds(elapsed)));
        self.event(&Event::Ready { address, url: &url, workloads, elapsed_ms: milliseconds(elapsed) });
    }

    pub(crate) fn service_restarting(&self, workload_id: &str, restarts: u64, after: Duration, message: &str) {
        self.ui.warn(&format!("the service of {workload_id} failed: {}", cause(message)));
        self.ui.status("Restarting", &format!("the service of {workload_id} in {after:?}, time {restarts}"));
        self.event(&Event::ServiceRestarting { workload_id, restarts, after_ms: milliseconds(after), message });
    }

    pub(crate) fn service_completed(&self, workload_id: &str) {
        self.ui.status("Completed", &format!("the service of {workload_id}"));
        self.event(&Event::ServiceCompleted { workload_id });
    }

    pub(crate) fn service_failed(&self, workload_id: &str, message: &str) {
        self.ui.warn(&format!("the service of {workload_id} failed and is not started again: {}", cause(message)));
        self.event(&Event::ServiceFailed { workload_id, message });
    }

    pub(crate) fn stopping(&self) {
        self.ui.status("Stopping", "after the requests in flight");
        self.event(&Event::Stopping);
    }

    pub(crate) fn workload_stopped(&self, workload_id: &str) {
        self.event(&Event::WorkloadStopped { workload_id });
    }

    pub(crate) fn stopped(&self, elapsed: Duration) {
        self.event(&Event::Stopped { elapsed_ms: milliseconds(elapsed) });
    }

    /// The result of the function that was called, which is all that goes to stdout.
    pub(crate) fn invoked(&self, outcome: &InvokeOutcome) -> Result<(), CommandError> {
        let wave = outcome.wave();
        let text = wave.clone().unwrap_or_default();
        self.ui.result(&text, "the function returned", Invoked { wave, result: outcome.json() })
    }

    /// The same where that is an error: what the program then ends with.
    pub(crate) fn invoked_for_an_error(&self, outcome: &InvokeOutcome, call: &str) -> CommandError {
        if self.ui.is_json() {
            // One document tells both.
            let wave = outcome.wave();
            return self.ui.answer_no("", "the function returned an error", Invoked { wave, result: outcome.json() });
        }
        self.invoked(outcome).err().unwrap_or_else(|| command_error::returned_error(call))
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", self.scheme)
    }

    fn event(&self, event: &Event<'_>) {
        if let Some(events) = &self.events {
            events.push(event);
        }
    }
}

impl Reporter for Report {
    fn running(&self, command_line: &str) {
        self.ui.status("Running", &format!("`{command_line}`"));
    }

    fn wrapped(&self, adapter: Adapter) {
        self.ui.status("Wrapped", &format!("the core module in a component (WASI preview-1 adapter: {adapter})"));
    }
}

/// The innermost cause in a failure of many lines: what stands first is only where it happened.
fn cause(message: &str) -> &str {
    let causes = message.split_once("Caused by:").map(|(_, causes)| causes.trim_start());
    let innermost = causes.and_then(|causes| causes.lines().take_while(|line| !line.trim().is_empty()).last());
    let line = innermost.or_else(|| message.lines().next()).unwrap_or_default().trim();
    // Several causes are numbered.
    match line.split_once(": ") {
        Some((number, cause)) if number.bytes().all(|byte| byte.is_ascii_digit()) => cause,
        _ => line,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failure_is_its_innermost() {
        let trap = "error while executing at wasm backtrace:\n    0:  0x1 - run\n\nCaused by:\n    0: called\n    1: wasm trap\n\nStack";
        assert_eq!(cause(trap), "wasm trap");
        assert_eq!(cause("at:\n  0: x\n\nCaused by:\n    wasm trap: unreachable"), "wasm trap: unreachable");
        assert_eq!(cause("it exited with code 1\n"), "it exited with code 1");
        assert_eq!(cause(""), "");
    }
}
