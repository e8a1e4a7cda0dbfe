//! What `wash dev` tells while it runs: lines for people on stderr, or an event per line of JSON on stdout.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use washlib_build::{Adapter, Built, Reporter};
use washlib_cli::{CommandError, Ui};

/// An event of the JSON stream. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Event<'a> {
    Building { project_path: &'a Path, changed: &'a [PathBuf] },
    Built { component_path: &'a Path, size: u64, elapsed_ms: u64 },
    BuildFailed { message: String, causes: Vec<String>, hints: &'a [String] },
    Ready { address: SocketAddr, url: String, elapsed_ms: u64 },
    Swapped { elapsed_ms: u64 },
    Unchanged,
}

/// Tells a person or a program what happens.
#[derive(Clone)]
pub(crate) struct Report {
    ui: Ui,
    project_path: PathBuf,
}

impl Report {
    pub(crate) fn new(ui: &Ui, project_path: &Path) -> Self {
        Self { ui: ui.clone(), project_path: project_path.to_path_buf() }
    }

    /// The listener is open, though no component answers yet.
    pub(crate) fn listening(&self, address: SocketAddr) {
        self.ui.status("Listening", &format!("on http://{address}"));
    }

    pub(crate) fn building(&self, changed: &[PathBuf]) -> Result<(), CommandError> {
        match changed {
            [] => self.ui.status("Building", &self.project_path.display().to_string()),
            [first, rest @ ..] => {
                let first = first.strip_prefix(&self.project_path).unwrap_or(first).display();
                let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                self.ui.status("Rebuilding", &format!("because {first}{more} changed"));
            }
        }
        self.event(&Event::Building { project_path: &self.project_path, changed })
    }

    pub(crate) fn built(&self, built: &Built) -> Result<(), CommandError> {
        let (path, seconds) = (built.component_path.display(), built.elapsed.as_secs_f64());
        self.ui.status("Built", &format!("{path} ({} kB) in {seconds:.1}s", built.size.div_ceil(1000)));
        self.event(&Event::Built {
            component_path: &built.component_path,
            size: built.size,
            elapsed_ms: milliseconds(built.elapsed),
        })
    }

    /// A build or a start that failed, while something may still be served.
    pub(crate) fn failed(&self, err: &CommandError, still_serving: bool) -> Result<(), CommandError> {
        if self.ui.is_json() {
            let (message, causes) = (err.to_string(), err.causes());
            return self.event(&Event::BuildFailed { message, causes, hints: err.hints() });
        }
        self.ui.error(err);
        let then = if still_serving { "the last good version keeps answering" } else { "nothing is served yet" };
        self.ui.status("Waiting", &format!("for a change; {then}"));
        Ok(())
    }

    pub(crate) fn ready(&self, address: SocketAddr, elapsed: Duration) -> Result<(), CommandError> {
        let url = format!("http://{address}");
        self.ui.status("Serving", &format!("{url} (started in {} ms)", milliseconds(elapsed)));
        self.event(&Event::Ready { address, url, elapsed_ms: milliseconds(elapsed) })
    }

    pub(crate) fn swapped(&self, elapsed: Duration) -> Result<(), CommandError> {
        self.ui.status("Swapped", &format!("in {} ms", milliseconds(elapsed)));
        self.event(&Event::Swapped { elapsed_ms: milliseconds(elapsed) })
    }

    pub(crate) fn unchanged(&self) -> Result<(), CommandError> {
        self.ui.status("Unchanged", "the build gave the component that is served already");
        self.event(&Event::Unchanged)
    }

    pub(crate) fn stopping(&self) {
        self.ui.status("Stopping", "after the requests in flight");
    }

    pub(crate) fn warn(&self, text: &str) {
        self.ui.warn(text);
    }

    fn event(&self, event: &Event<'_>) -> Result<(), CommandError> {
        if self.ui.is_json() { self.ui.event(event) } else { Ok(()) }
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

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
