//! Runs one program to its end in a process group of its own, so that it can be stopped with all that it started.
//!
//! What it prints goes to our stderr, because stdout is for the result.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{BuildError, CancelToken};

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

    /// Runs the program with its stdout on our stderr.
    pub(crate) fn run(mut self, cancel: &CancelToken) -> Result<ExitStatus, BuildError> {
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(|source| self.spawn_error(source))?;
        self.command.stdout(stderr);
        let child = self.spawn(cancel)?;
        self.wait(child, cancel)
    }

    /// Runs the program and gives its stdout to `read` while it runs.
    pub(crate) fn run_reading(
        mut self,
        cancel: &CancelToken,
        read: impl FnOnce(ChildStdout) -> io::Result<()>,
    ) -> Result<ExitStatus, BuildError> {
        self.command.stdout(Stdio::piped());
        let mut child = self.spawn(cancel)?;
        let read = child.stdout.take().map_or(Ok(()), read);
        let status = self.wait(child, cancel)?;
        read.map_err(|source| BuildError::ReadOutput { command: self.display, source })?;
        Ok(status)
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
