//! A Redis server for one test.
//!
//! The program comes from Debian's package, which `cargo xtask setup` installs.

use std::path::Path;

use crate::server::{Program, Server};

/// What the server wants to hear.
const PASSWORD: &str = "opensesame";

const PROGRAM: Program = Program { name: "redis-server", arguments, ready: "Ready to accept connections" };

/// A running server, whose data survive a crash. Dropped, it is ended.
#[derive(Debug)]
pub struct Redis(Server);

impl Redis {
    /// Starts a server.
    ///
    /// # Panics
    /// If the program is missing or does not work.
    pub fn start() -> Self {
        Self(Server::start(&PROGRAM, &[]))
    }

    /// Where it is, as a URL with a password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.0.port())
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
    let arguments = [
        &["--bind", "127.0.0.1", "--port", &port, "--dir", &folder, "--requirepass", PASSWORD][..],
        &["--save", "", "--appendonly", "yes", "--appendfsync", "no"],
    ];
    arguments.concat().into_iter().map(str::to_owned).collect()
}
