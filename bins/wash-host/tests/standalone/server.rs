//! A running `wash host run`, seen through its events and its HTTP address.
//!
//! It waits for what is announced and never for time to pass; whatever it started has ended when it is dropped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use washlib_test::Sandbox;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Server {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: Vec<String>,
    ended: bool,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
}

/// How a server ended, with what nobody had waited for.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl End {
    /// The types of the remaining events.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Server {
    /// Starts on a free port and waits until it serves.
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut server = Self::launch(sandbox, arguments);
        server.wait_for("ready");
        server
    }

    /// Starts on a free port without waiting.
    pub(crate) fn launch(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.command("wash-host");
        command.args(["run", "-o", "json", "--http-addr", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command)
    }

    /// Starts with a command line of one's own.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        Self::of(child, stdout)
    }

    /// Starts on a free port, with a pipe for stdout that is read up to the first event of this type, but no further.
    pub(crate) fn start_unread(sandbox: &Sandbox, arguments: &[&str], last: &str) -> (Self, BufReader<ChildStdout>) {
        let mut command = sandbox.command("wash-host");
        command.args(["run", "-o", "json", "--http-addr", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self::of(child, mpsc::channel().1);
        loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "`{last}` should be told");
            if server.parse(&line)["type"] == last {
                return (server, stdout);
            }
        }
    }

    fn of(mut child: Child, stdout: Receiver<String>) -> Self {
        let stderr = lines(child.stderr.take().unwrap());
        Self { child, stdout, stderr, said: Vec::new(), ended: false, address: None, admin: None }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.stdout.recv_timeout(PATIENCE).expect("there should be another event");
        self.parse(&line)
    }

    /// The next event of this type; others before it are passed over.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
            assert_ne!(event["type"], "error", "{event}");
        }
    }

    /// An event of each of these types, in whatever order they come.
    pub(crate) fn wait_for_each<const N: usize>(&mut self, kinds: [&str; N]) -> [Value; N] {
        let mut found = kinds.map(|_| Value::Null);
        while found.iter().any(Value::is_null) {
            let event = self.next();
            assert_ne!(event["type"], "error", "{event}");
            let awaited = |(kind, found): (&&str, &Value)| event["type"] == **kind && found.is_null();
            if let Some(at) = kinds.iter().zip(&found).position(awaited) {
                found[at] = event;
            }
        }
        found
    }

    /// Waits for a line on stderr that has this text, and returns the line.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|err| panic!("`{text}` should be on stderr ({err}):\n{:#?}", self.said));
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Time that the process has computed for. The kernel shows hundredths of a second, whatever it counts with.
    #[cfg(target_os = "linux")]
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>();
        Duration::from_millis(ticks * 10)
    }

    /// Asks it to end, and checks that it does so cleanly.
    pub(crate) fn stop(self) -> End {
        self.signal(Signal::TERM);
        let end = self.end();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        end
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let mut events = Vec::new();
        while let Ok(line) = self.stdout.recv_timeout(PATIENCE) {
            events.push(self.parse(&line));
        }
        // Its end closes stderr.
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it should end"),
            }
        }
        let code = self.child.wait().unwrap().code();
        self.ended = true;
        End { code, events, stderr: std::mem::take(&mut self.said).join("\n") }
    }

    /// Gets a path from the host that answers to a name.
    pub(crate) fn get_from(&self, host: &str, path: &str) -> Answer {
        request(self.address.expect("an address"), "GET", host, path)
    }

    /// Gets a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_from("test.example", path)
    }

    fn parse(&mut self, line: &str) -> Value {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err} in {line:?}"));
        let address = |key: &str| event[key].as_str().map(|text| text.parse().unwrap());
        self.address = address("address").or(self.address);
        self.admin = address("admin_address").or(self.admin);
        event
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            _ = self.child.kill();
            _ = self.child.wait();
        }
        if thread::panicking() {
            self.said.extend(self.stderr.try_iter());
            eprintln!("the server's stderr:\n{}", self.said.join("\n"));
        }
    }
}

/// Sends a request on a connection of its own.
pub(crate) fn request(address: SocketAddr, method: &str, host: &str, path: &str) -> Answer {
    request_with(address, method, host, path, "")
}

/// The same with more lines in the request's head.
pub(crate) fn request_with(address: SocketAddr, method: &str, host: &str, path: &str, lines: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{lines}connection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer, not {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head: head.to_owned(), body: if chunked { unchunked(body) } else { body.to_owned() } }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &rest[..size];
        body = &rest[size + 2..];
    }
    whole
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}
