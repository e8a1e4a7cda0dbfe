//! A running `wash dev`, seen through its events.
//!
//! It waits for what is announced and never for time to pass; whatever it started has ended when it is dropped.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::project::Project;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// How long a program that is to end with its test may take to clean up.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// All that stderr has said so far.
    said: Vec<String>,
    ended: Receiver<()>,
    reaped: bool,
    address: Option<SocketAddr>,
    /// Requests that it has told of.
    requests: VecDeque<Value>,
}

/// How a server ended, with what nobody had waited for.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts in a project and waits until it serves.
    pub(crate) fn start(project: &Project) -> Self {
        let mut server = Self::launch(project);
        server.wait_for("ready");
        server
    }

    /// Starts in a project without waiting.
    pub(crate) fn launch(project: &Project) -> Self {
        let mut command = project.command();
        command.args(["-o", "json"]);
        Self::spawn(command)
    }

    /// Starts with a command line of one's own.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        Self::of(child, stdout)
    }

    /// Starts in a project, with a pipe for stdout that is read until it serves, but no longer.
    pub(crate) fn start_unread(project: &Project) -> (Self, BufReader<ChildStdout>) {
        let mut command = project.command();
        command.args(["-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self::of(child, mpsc::channel().1);
        while server.address.is_none() {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            server.parse(&line);
        }
        (server, stdout)
    }

    fn of(mut child: Child, stdout: Receiver<String>) -> Self {
        let stderr = lines(child.stderr.take().unwrap());
        let (sender, ended) = mpsc::channel();
        let pid = Pid::from_child(&child);
        thread::spawn(move || {
            // Without reaping, so that the number stays taken for as long as signals may be sent to it.
            while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_err() {}
            _ = sender.send(());
        });
        let (said, requests) = (Vec::new(), VecDeque::new());
        Self { child, stdout, stderr, said, ended, reaped: false, address: None, requests }
    }

    /// Where it serves, as it has announced.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("the server should have announced its address")
    }

    /// Gets a path on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Connection::open(self.address()).get(path)
    }

    /// Sends a request with a body on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        Connection::open(self.address()).request(method, path, body)
    }

    /// A header of the response to `GET path`.
    pub(crate) fn header(&self, path: &str, name: &str) -> Option<String> {
        let mut connection = Connection::open(self.address());
        connection.get(path);
        connection.last_header(name)
    }

    /// The next event that is no request.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            let event = self.next_of_all();
            if !is_request(&event) {
                return event;
            }
            self.requests.push_back(event);
        }
    }

    /// The next request that it tells of.
    pub(crate) fn next_request(&mut self) -> Value {
        if let Some(request) = self.requests.pop_front() {
            return request;
        }
        let event = self.next_of_all();
        assert!(is_request(&event), "{event}");
        event
    }

    fn next_of_all(&mut self) -> Value {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => self.parse(&line),
            Err(RecvTimeoutError::Timeout) => panic!("there should be another event"),
            Err(RecvTimeoutError::Disconnected) => panic!("there should be another event, but stdout is closed"),
        }
    }

    /// The next event of this type; others before it are passed over.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// The next event, which must be of this type.
    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        let event = self.next();
        assert_eq!(event["type"], kind, "{event}");
        event
    }

    /// The next events must be a build because of exactly these files, and the swap.
    pub(crate) fn expect_swap(&mut self, project: &Project, changed: &[&str]) {
        self.expect_building(project, changed);
        self.expect("built");
        self.expect("swapped");
    }

    /// The next event must be the beginning of a build because of exactly these files.
    pub(crate) fn expect_building(&mut self, project: &Project, changed: &[&str]) {
        let event = self.expect("building");
        let changed: Vec<_> = changed.iter().map(|path| Value::from(project.path(path).to_str().unwrap())).collect();
        assert_eq!(event["changed"], Value::from(changed));
    }

    /// Waits for a line on stderr that has this text, and returns the line.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.stderr.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(err) => panic!("`{text}` should be on stderr ({err})"),
            }
        }
    }

    /// Reads the address from the text for people.
    pub(crate) fn wait_for_serving_line(&mut self) {
        let line = self.wait_for_stderr("Serving http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        self.address = Some(address.parse().unwrap());
    }

    /// Presses keys at its terminal.
    pub(crate) fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().expect("a terminal").write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        assert!(!self.reaped);
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to end, and checks that it does so cleanly.
    pub(crate) fn stop(self) -> End {
        self.signal(Signal::TERM);
        self.ended_well()
    }

    /// Waits for its end, and checks that it is a clean one.
    pub(crate) fn ended_well(self) -> End {
        let end = self.end();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        end
    }

    /// Waits until it, and every program that has its stderr, has ended.
    pub(crate) fn end(mut self) -> End {
        self.ended.recv_timeout(PATIENCE).expect("the server should end");
        self.reaped = true;
        let status: ExitStatus = self.child.wait().unwrap();
        while let Some(line) = next_line(&self.stderr, "stderr") {
            self.said.push(line);
        }
        let mut events = Vec::new();
        while let Some(line) = next_line(&self.stdout, "stdout") {
            events.push(self.parse(&line));
        }
        events.retain(|event| !is_request(event));
        let stderr = std::mem::take(&mut self.said).join("\n");
        End { code: status.code(), events, stderr }
    }

    fn parse(&mut self, line: &str) -> Value {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err} in {line:?}"));
        if event["type"] == "ready" {
            self.address = Some(event["address"].as_str().unwrap().parse().unwrap());
        }
        event
    }
}

impl End {
    /// Checks that nothing happened after what the test has waited for.
    pub(crate) fn assert_no_more_events(&self) {
        assert!(self.events.is_empty(), "{:?}", self.events);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.reaped {
            let pid = Pid::from_child(&self.child);
            // The polite way first: builds are in process groups of their own, which only the server knows.
            _ = kill_process(pid, Signal::TERM);
            _ = self.ended.recv_timeout(LAST_PATIENCE);
            _ = kill_process_group(pid, Signal::KILL);
            _ = self.child.wait();
        }
        if thread::panicking() {
            self.said.extend(self.stderr.try_iter());
            eprintln!("the server's stderr:\n{}", self.said.join("\n"));
        }
    }
}

fn is_request(event: &Value) -> bool {
    event["type"] == "request" || event["type"] == "requests-not-told"
}

fn next_line(lines: &Receiver<String>, name: &str) -> Option<String> {
    match lines.recv_timeout(PATIENCE) {
        Ok(line) => Some(line),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => panic!("a program that the server has started still holds its {name}"),
    }
}

/// The lines of a stream; the channel closes when the last program that can write to it has ended.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}
