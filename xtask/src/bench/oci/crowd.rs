//! A hundred clients that pull at once: how long until the last one has everything, errors, and what the server holds.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// How many pull at once.
pub(super) const CLIENTS: usize = 100;

/// `wash oci serve` over a folder; ends with the bench.
pub(super) struct Served {
    process: Child,
    address: String,
}

impl Served {
    pub(super) fn start(wash_oci: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(wash_oci);
        command.args(["serve", "-o", "json", "--addr", "127.0.0.1:0"]).arg(folder);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("wash oci serve")?;
        let mut events = BufReader::new(process.stdout.take().context("no events")?);
        let mut ready = String::new();
        events.read_line(&mut ready)?;
        thread::spawn(move || events.lines().for_each(drop));
        let ready: serde_json::Value = serde_json::from_str(&ready)?;
        let address = ready["address"].as_str().context("the server does not say where it is")?.to_owned();
        Ok(Self { process, address })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many clients failed, and the milliseconds until the last one was done.
pub(super) fn pull(address: &str, path: &str, length: usize) -> (usize, f64) {
    let together = Barrier::new(CLIENTS + 1);
    thread::scope(|scope| {
        let client = || {
            together.wait();
            received(address, path).is_ok_and(|received| received == length)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        together.wait();
        let started = Instant::now();
        let failed =
            clients.into_iter().map(|client| client.join()).filter(|result| !matches!(result, Ok(true))).count();
        (failed, started.elapsed().as_secs_f64() * 1000.0)
    })
}

/// The length of what comes; nothing of it is kept.
fn received(address: &str, path: &str) -> Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        bail!("{line}");
    }
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            bail!("the head breaks off");
        }
    }
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(total),
            read => total += read,
        }
    }
}

/// The most memory that a process has held, in MB, where the system tells.
pub(super) fn peak_memory(process: u32) -> Option<f64> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
}
