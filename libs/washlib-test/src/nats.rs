//! A NATS server with JetStream for one test.
//!
//! The program comes from Debian's package, which `cargo xtask setup` installs.

use std::path::Path;

use crate::server::{Program, Server};

/// Who may speak to the server.
const USER: &str = "wash";
const PASSWORD: &str = "opensesame";

const PROGRAM: Program = Program { name: "nats-server", arguments, ready: "Server is ready" };

/// A running server, whose data survive a crash. Dropped, it is ended.
#[derive(Debug)]
pub struct Nats(Server);

impl Nats {
    /// Starts a server that keeps streams.
    ///
    /// # Panics
    /// If the program is missing or does not work.
    pub fn start() -> Self {
        Self(Server::start(&PROGRAM, &["--jetstream"]))
    }

    /// Starts a server that only hands messages on.
    ///
    /// # Panics
    /// If the program is missing or does not work.
    pub fn without_jetstream() -> Self {
        Self(Server::start(&PROGRAM, &[]))
    }

    /// Where it is, as a URL with a password.
    pub fn url(&self) -> String {
        format!("nats://{USER}:{PASSWORD}@127.0.0.1:{}", self.0.port())
    }

    /// Where it is without who asks, the user and the password.
    pub fn parts(&self) -> (String, &'static str, &'static str) {
        (format!("127.0.0.1:{}", self.0.port()), USER, PASSWORD)
    }

    /// Ends the server at once, as when it crashes.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// Starts the server with the data that are there.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }
}

fn arguments(folder: &Path, port: u16) -> Vec<String> {
    let (port, folder) = (port.to_string(), folder.display().to_string());
    let arguments =
        ["--addr", "127.0.0.1", "--port", &port, "--store_dir", &folder, "--user", USER, "--pass", PASSWORD];
    arguments.map(str::to_owned).into()
}
