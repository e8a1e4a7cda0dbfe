//! Ctrl-C and its relatives: the build and all that it started end, and the exit code says so.
//!
//! The build's processes hold our end of the stderr pipe: its end of file proves that the last of them is gone.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::workbench::Workbench;

/// When to give up on something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two minutes in a shell that reacts to signals: it does so between two commands only, and one long command could begin
/// just after the signal. Where nothing ends it, the test fails in the end instead of hanging.
const WAIT: &str = "n=0; while [ $n -lt 1200 ]; do n=$((n+1)); sleep 0.1; done";

struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts `wash build` and waits until the build command has printed the line `started`.
    fn start(workbench: &Workbench, arguments: &[&str]) -> Self {
        let mut command = workbench.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The test's own copy must not keep the pipe open.
        drop(command);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                // The test may have failed meanwhile.
                let _ = sender.send(line.unwrap());
            }
        });
        let running = Self { child, lines };
        running.wait_for("started");
        running
    }

    fn wait_for(&self, expected: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|err| panic!("no line `{expected}`: {err}"));
            if line == expected {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for every process that holds stderr, and returns the exit code and stdout.
    fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("a process of the build is still running"),
            }
        }
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        (self.child.wait().unwrap().code(), stdout)
    }
}

#[test]
fn every_request_to_end_ends_the_whole_build() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        // A shell's background children ignore SIGINT: asking politely is not enough.
        let workbench =
            Workbench::with_command("sleep 300 & (sleep 300; true) & echo started; sleep 300; echo survived");
        let running = Running::start(&workbench, &[]);
        running.signal(signal);
        assert_eq!(running.end(), (Some(130), String::new()), "{signal:?}");
    }
}

/// As on a terminal, where Ctrl-C reaches the compiler and not only the shell that waits for it.
#[test]
fn the_programs_that_the_command_started_are_asked_too() {
    let inner = format!("trap \"echo asked; exit\" INT; echo started; {WAIT}");
    let workbench = Workbench::with_command(&format!("trap : INT; sh -c '{inner}'; true"));
    let running = Running::start(&workbench, &[]);
    running.signal(Signal::TERM);
    running.wait_for("asked");
    assert_eq!(running.end(), (Some(130), String::new()));
}

#[test]
fn an_interrupted_build_is_no_success_even_if_the_command_says_so() {
    let command = format!("trap 'cp ../fixtures/component.wasm out.wasm; exit 0' INT; echo started; {WAIT}");
    let workbench = Workbench::with_command(&command);
    let running = Running::start(&workbench, &[]);
    running.signal(Signal::INT);
    assert_eq!(running.end(), (Some(130), String::new()));
    // The command had the time to clean up.
    assert!(workbench.path("out.wasm").exists());
}

#[test]
fn an_interruption_is_told_in_json() {
    let workbench = Workbench::with_command("echo started; sleep 300");
    let running = Running::start(&workbench, &["-o", "json"]);
    running.signal(Signal::INT);
    let (code, stdout) = running.end();
    assert_eq!(code, Some(130));
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document, serde_json::json!({"message": "interrupted", "success": false, "data": null}));
}

#[test]
fn a_second_signal_kills_what_ignored_the_first() {
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let workbench = Workbench::with_command(&format!("trap 'echo asked' INT; echo started; {WAIT}"));
        let running = Running::start(&workbench, &[]);
        let begin = Instant::now();
        running.signal(first);
        running.wait_for("asked");
        running.signal(second);
        assert_eq!(running.end(), (Some(130), String::new()));
        // Without the second signal it would have taken the five seconds of grace.
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[test]
fn what_ignores_the_first_signal_is_killed_after_a_grace() {
    let workbench = Workbench::with_command(&format!("trap '' INT; echo started; {WAIT}"));
    let running = Running::start(&workbench, &[]);
    running.signal(Signal::INT);
    assert_eq!(running.end(), (Some(130), String::new()));
}

/// Cargo's messages are read while it runs, and its children may hold that pipe too.
#[test]
fn a_recognised_toolchain_is_interrupted_just_the_same() {
    let script = format!(
        "case $1 in metadata) exec '{}' \"$@\";; esac\nsleep 300 & sleep 300 & echo started >&2; {WAIT}",
        env!("CARGO")
    );
    let workbench = Workbench::new().stand_in("cargo", &script);
    workbench.write("Cargo.toml", "[package]\nname = 'endless'\nedition = '2024'\n");
    workbench.write("src/main.rs", "fn main() {}\n");
    let running = Running::start(&workbench, &[]);
    running.signal(Signal::INT);
    assert_eq!(running.end(), (Some(130), String::new()));
}

/// Cargo describes the project before it builds it; that was once not stopped, or told as a broken project.
#[test]
fn what_precedes_the_build_is_interrupted_too() {
    for signal in [Signal::INT, Signal::TERM] {
        // Its stderr is read, not shown: a pipe of its own tells that it has begun and, when it ends, that it is gone.
        let workbench = Workbench::new().stand_in("cargo", &format!("exec 3> pipe; echo started >&3; {WAIT}"));
        workbench.write("Cargo.toml", "[package]\nname = 'endless'\n");
        let pipe = workbench.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = workbench.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(File::open(pipe).unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "started");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(lines.next().is_none());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.ends_with("error: interrupted\n"), "{stderr}");
    }
}
