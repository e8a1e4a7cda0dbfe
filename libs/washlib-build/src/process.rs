//! Runs one program to its end in a process group of its own, so that it can be stopped with all that it started.
//!
//! What it prints goes to our stderr, because stdout is for the result, or to whoever takes it line by line.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{BuildError, CancelToken, Reporter};

/// Lines that may wait to be told.
const LINES_WAITING: usize = 1024;

/// How long nothing is printed after a program's end until its output counts as complete.
const SILENCE: Duration = Duration::from_millis(100);

/// A program with its arguments, environment and folder.
#[derive(Debug)]
pub(crate) struct Process {
    command: Command,
    display: String,
}

impl Process {
    /// `display` is the command line as a person would type it.
    pub(crate) fn new(mut command: Command, display: String) -> Self {
        // A group of its own cannot read the terminal: it would be stopped. Builds that ask questions cannot be scripted.
        command.process_group(0).stdin(Stdio::null());
        Self { command, display }
    }

    /// Runs the program with its stdout on our stderr, or all that it prints with the reporter.
    pub(crate) fn run(self, cancel: &CancelToken, reporter: &dyn Reporter) -> Result<ExitStatus, BuildError> {
        self.run_told(cancel, reporter, None::<fn(ChildStdout) -> io::Result<()>>)
    }

    /// Runs the program and gives its stdout to `read` while it runs.
    pub(crate) fn run_reading(
        self,
        cancel: &CancelToken,
        reporter: &dyn Reporter,
        read: impl FnOnce(ChildStdout) -> io::Result<()>,
    ) -> Result<ExitStatus, BuildError> {
        self.run_told(cancel, reporter, Some(read))
    }

    fn run_told(
        mut self,
        cancel: &CancelToken,
        reporter: &dyn Reporter,
        read: Option<impl FnOnce(ChildStdout) -> io::Result<()>>,
    ) -> Result<ExitStatus, BuildError> {
        let lines = self.direct_output(reporter, read.is_some()).map_err(|source| self.spawn_error(source))?;
        let mut child = self.spawn(cancel)?;
        // Our own ends of pipes; the lines would never end while we hold them.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            if let Some(lines) = lines {
                let ended = &ended;
                scope.spawn(move || lines.tell(reporter, ended));
            }
            let read = child.stdout.take().zip(read).map_or(Ok(()), |(stdout, read)| read(stdout));
            let status = self.wait(child, cancel);
            ended.store(true, Ordering::Release);
            let status = status?;
            read.map_err(|source| BuildError::ReadOutput { command: self.display.clone(), source })?;
            Ok(status)
        })
    }

    /// Decides where the program prints to. The lines are those that the reporter takes.
    fn direct_output(&mut self, reporter: &dyn Reporter, reads_stdout: bool) -> io::Result<Option<Lines>> {
        if reads_stdout {
            self.command.stdout(Stdio::piped());
        }
        if !reporter.takes_output() {
            if !reads_stdout {
                self.command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
            }
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        if !reads_stdout {
            self.command.stdout(writer.try_clone()?);
        }
        self.command.stderr(writer);
        Lines::read(reader).map(Some)
    }

    /// Runs a program that prints little, and returns what it printed.
    pub(crate) fn run_capturing(mut self, cancel: &CancelToken) -> Result<Output, BuildError> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(cancel)?;
        // Both pipes have to be emptied at once: the program stops at a full one.
        let reader = child.stderr.take().map(|pipe| thread::Builder::new().spawn(move || read_to_end(pipe)));
        let stdout = child.stdout.take().map_or_else(|| Ok(Vec::new()), read_to_end);
        let status = self.wait(child, cancel)?;
        let stderr = match reader {
            Some(Ok(thread)) => thread.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked"))),
            Some(Err(err)) => Err(err),
            None => Ok(Vec::new()),
        };
        let read = stdout.and_then(|stdout| Ok(Output { status, stdout, stderr: stderr? }));
        read.map_err(|source| BuildError::ReadOutput { command: self.display, source })
    }

    fn spawn(&mut self, cancel: &CancelToken) -> Result<Child, BuildError> {
        if cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let child = self.command.spawn().map_err(|source| self.spawn_error(source))?;
        cancel.started(Pid::from_child(&child));
        Ok(child)
    }

    fn wait(&self, mut child: Child, cancel: &CancelToken) -> Result<ExitStatus, BuildError> {
        // Waits without reaping: until `ended` has run, the group's number must stay taken.
        let pid = Pid::from_child(&child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        cancel.ended();
        let status = child.wait().map_err(|source| self.spawn_error(source))?;
        if cancel.is_cancelled() { Err(BuildError::Cancelled) } else { Ok(status) }
    }

    fn spawn_error(&self, source: io::Error) -> BuildError {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let folder_missing = self.command.get_current_dir().is_some_and(|folder| !folder.is_dir());
        if source.kind() == io::ErrorKind::NotFound && !folder_missing {
            BuildError::ProgramNotFound { program }
        } else {
            BuildError::Spawn { program, source }
        }
    }
}

/// Lines that a program, and those that it has started, print.
struct Lines {
    receiver: Receiver<Vec<u8>>,
}

impl Lines {
    /// Reads on a thread of its own, which ends when the last of them has closed its end: perhaps never.
    fn read(reader: io::PipeReader) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(LINES_WAITING);
        thread::Builder::new().name("build-output".to_owned()).spawn(move || {
            for line in io::BufReader::new(reader).split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { receiver })
    }

    /// Tells each line until there are no more. Once the program has ended, others that it has left behind are not
    /// waited for.
    fn tell(&self, reporter: &dyn Reporter, ended: &AtomicBool) {
        loop {
            match self.receiver.recv_timeout(SILENCE) {
                Ok(line) => reporter.output(String::from_utf8_lossy(&line).trim_end_matches('\r')),
                Err(RecvTimeoutError::Timeout) if !ended.load(Ordering::Acquire) => {}
                Err(_) => return,
            }
        }
    }
}

fn read_to_end(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A command line as a person would type it.
pub(crate) fn display(program: &str, arguments: &[OsString]) -> String {
    let mut line = program.to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let plain = !argument.is_empty()
            && argument
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '=' | ':' | ',' | '@'));
        line.push(' ');
        if plain {
            line.push_str(&argument);
        } else {
            line.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        }
    }
    line
}
