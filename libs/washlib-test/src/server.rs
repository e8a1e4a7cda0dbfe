//! A server program of somebody else's for one test: its own folder, its own port on loopback, gone with the test.
//!
//! It panics where something is wrong, as a test would.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// How many ports are tried.
const ATTEMPTS: usize = 5;

/// How a program is started, and how one knows that it answers.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) arguments: fn(folder: &Path, port: u16) -> Vec<String>,
    /// A part of the line that it says then.
    pub(crate) ready: &'static str,
}

/// A running server. Dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Server {
    program: &'static Program,
    more: Vec<String>,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start(program: &'static Program, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder should be there");
        let more = more.iter().map(ToString::to_string).collect();
        let mut server = Self { program, more, folder, port: 0, child: None };
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return server,
                // Somebody else may have got the port in the meantime.
                Err(log) => said = log,
            }
        }
        panic!("{} did not start: {said}", program.name);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as when it crashes.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// Starts it with the data that are there.
    pub(crate) fn start_again(&mut self) {
        if let Err(log) = self.launch() {
            panic!("{} did not start: {log}", self.program.name);
        }
    }

    /// Waits until it answers; otherwise what it said when it ended.
    fn launch(&mut self) -> Result<(), String> {
        let name = self.program.name;
        let mut command = Command::new(name);
        command.args((self.program.arguments)(self.folder.path(), self.port)).args(&self.more);
        // Whichever it speaks on, it is read in one place.
        let (reader, writer) = std::io::pipe().expect("a pipe should be there");
        let error = writer.try_clone().expect("a pipe should have two ends");
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(error).spawn();
        drop(command);
        let mut child = child.unwrap_or_else(|err| panic!("`{name}` should start ({err}): run `cargo xtask setup`"));
        let mut lines = BufReader::new(reader).lines();
        let mut said = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            if line.contains(self.program.ready) {
                // Somebody has to read on, or the server waits when the pipe is full.
                std::thread::spawn(move || lines.for_each(drop));
                self.child = Some(child);
                return Ok(());
            }
            said.push(line);
        }
        _ = child.wait();
        Err(said.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    listener.local_addr().expect("it is bound").port()
}
