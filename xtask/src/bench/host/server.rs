//! A server under measurement: started on a free port, looked at through /proc, and killed in the end.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::client;
use super::machine;
use super::programs::{Contender, Programs, Side};
use crate::process::succeeds;

/// How long a start may take: the first one compiles, and thousands of workloads take their time.
const START: Duration = Duration::from_secs(300);
/// How long an answer may take that nothing stands in the way of.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Kills the process however its owner ends.
pub(super) struct Guard(pub(super) Child);

impl Guard {
    /// Waits until it ends by itself; nothing if it does not in this time.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if begun.elapsed() > patience {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server.
pub(super) struct Server {
    process: Guard,
    pub(super) address: SocketAddr,
    /// From the start of the process to its saying that it is ready.
    pub(super) ready_after: Duration,
}

impl Server {
    /// Starts it on a free port and waits until it says that it serves.
    pub(super) fn start(programs: &Programs, contender: &Contender, source: &Path) -> Result<Self> {
        let command = programs.command(contender, source, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut command = bound_to_this_process(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut process = Guard(command.spawn().with_context(|| format!("cannot start {}", contender.name))?);
        let (lines, received) = mpsc::channel();
        follow(process.0.stdout.take().context("no stdout")?, lines.clone());
        follow(process.0.stderr.take().context("no stderr")?, lines);
        let mut said = Vec::new();
        let address = loop {
            let line = match received.recv_timeout(START.saturating_sub(begun.elapsed())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("{} was not ready after {START:?}", contender.name),
                Err(RecvTimeoutError::Disconnected) => bail!("{} ended: {}", contender.name, said.join(" ")),
            };
            if let Some(address) = announced(contender.side, &line) {
                break address;
            }
            // Enough for an error; thousands of events are of no use.
            if said.len() < 10 {
                said.push(line);
            }
        };
        Ok(Self { process, address, ready_after: begun.elapsed() })
    }

    /// Starts it and sends the first request, so that nothing is done for the first time later.
    pub(super) fn start_warm(programs: &Programs, contender: &Contender, source: &Path, path: &str) -> Result<Self> {
        let server = Self::start(programs, contender, source)?;
        client::wait_for_ok(server.address, path, PATIENCE)
            .with_context(|| format!("{} does not answer {path}", contender.name))?;
        Ok(server)
    }

    /// Processor time of all its threads so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        machine::cpu_of(self.process.0.id())
    }

    /// What it holds of the machine's memory.
    pub(super) fn memory(&self) -> Result<machine::Memory> {
        machine::memory_of(self.process.0.id())
    }

    /// Asks it to end and waits until it has, so that what it keeps on disk is complete.
    pub(super) fn stop(mut self) -> Result<()> {
        // kill(1) because std can only send SIGKILL.
        succeeds(Command::new("kill").arg(self.process.0.id().to_string()));
        self.process.wait(PATIENCE).map(drop)
    }
}

/// A port that is free now, for a program whose address must be known before it says so.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The same command, made to be killed by the kernel should this process be killed and clean up nothing.
fn bound_to_this_process(command: &Command) -> Command {
    if !succeeds(Command::new("setpriv").arg("--version")) {
        let mut same = Command::new(command.get_program());
        copy(command, &mut same);
        return same;
    }
    // It replaces itself by the program, so the process keeps its id.
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
    copy(command, &mut bound);
    bound
}

fn copy(from: &Command, to: &mut Command) {
    to.args(from.get_args());
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Reads to the end, so that the program never waits for a reader.
fn follow(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody receives once the server is ready.
            let _ = lines.send(line);
        }
    });
}

fn announced(side: Side, line: &str) -> Option<SocketAddr> {
    match side {
        Side::WashHost => {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            (event["type"] == "ready").then(|| event["address"].as_str()?.parse().ok()).flatten()
        }
        Side::WasmtimeServe => {
            let (_, address) = line.split_once("Serving HTTP on http://")?;
            address.trim_end_matches('/').parse().ok()
        }
    }
}
