//! A PostgreSQL server for one test: its own folder, its own port on loopback, gone with the test.
//!
//! The programs come from Debian's package, which `cargo xtask setup` installs. It panics where something is wrong, as a
//! test would.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use tempfile::TempDir;

/// The user that owns every database here.
const USER: &str = "wash";

/// Somebody who may do nothing: the server refuses to run as root.
const UNPRIVILEGED: &str = "nobody";

/// How many ports are tried.
const ATTEMPTS: usize = 5;

/// What the server says when it answers.
const READY: &str = "database system is ready to accept connections";

/// A running server. Dropped, it is ended.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a database and starts a server for it.
    ///
    /// # Panics
    /// If the programs are missing or do not work.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder should be there");
        if is_root() {
            let mut chown = Command::new("chown");
            run(chown.arg(UNPRIVILEGED).arg(folder.path()));
        }
        let mut init = command("initdb");
        // Neither locks nor syncs are needed for what a test leaves.
        init.arg("-D").arg(folder.path().join("data"));
        run(init.args(["-U", USER, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]));
        let mut postgres = Self { folder, port: 0, server: None };
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            postgres.port = free_port();
            match postgres.launch() {
                Ok(()) => return postgres,
                // Somebody else may have got the port in the meantime.
                Err(log) => said = log,
            }
        }
        panic!("the server did not start: {said}");
    }

    /// Where it is, as a URL.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends the server at once; what it has not written is lost, as when it crashes.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut signal = Command::new("kill");
            // Its immediate shutdown, which takes its own processes along.
            _ = signal.args(["-QUIT", &server.id().to_string()]).status();
            _ = server.wait();
        }
    }

    /// Starts the server with the data that are there.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&mut self) {
        if let Err(log) = self.launch() {
            panic!("the server did not start: {log}");
        }
    }

    /// Waits until it answers; otherwise what it said when it ended.
    fn launch(&mut self) -> Result<(), String> {
        let mut server = command("postgres");
        server.arg("-D").arg(self.folder.path().join("data"));
        server.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", "", "-F"]);
        server.args(["-c", "max_connections=50", "-c", "shared_buffers=16MB"]);
        let mut server = server.stderr(Stdio::piped()).spawn().expect("the server should start");
        let log = server.stderr.take().expect("it was asked for");
        let mut lines = BufReader::new(log).lines();
        let mut said = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            if line.contains(READY) {
                // Somebody has to read on, or the server waits when the pipe is full.
                std::thread::spawn(move || lines.for_each(drop));
                self.server = Some(server);
                return Ok(());
            }
            said.push(line);
        }
        _ = server.wait();
        Err(said.join("\n"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One of the programs, run as somebody who may run it.
fn command(program: &str) -> Command {
    let program = find(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", UNPRIVILEGED, "--regid", "nogroup", "--clear-groups"]).arg(program);
    // The server must be able to enter the folder that it is started in.
    command.current_dir("/");
    command
}

/// Debian keeps each version in a folder of its own, off the path.
fn find(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(program)).collect();
    found.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    found.extend(env::split_paths(&path).map(|folder| folder.join(program)));
    found.retain(|path| path.is_file());
    found.pop().unwrap_or_else(|| panic!("`{program}` of PostgreSQL should be there: run `cargo xtask setup`"))
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program should start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    let output = id.arg("-u").output().expect("`id` should be there");
    output.stdout.trim_ascii() == b"0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    listener.local_addr().expect("it is bound").port()
}
