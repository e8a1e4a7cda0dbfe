//! An error as a command reports it: what failed, the chain of causes, and the commands that help.
//!
//! Libraries return typed errors; each binary turns them into this in one file of its own.

use std::error::Error;
use std::fmt;
use std::io;

/// Which of the documented exit codes an error ends the program with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// It ran and failed, or the answer is no: exit code 1.
    Failure,
    /// The command line or the configuration is wrong: exit code 2.
    Usage,
    /// A person or a supervisor interrupted it: exit code 130.
    Interrupted,
    /// The answer is no, and it has been printed as the result: exit code 1, nothing more is printed.
    AnswerIsNo,
    /// Whoever read stdout has read enough: exit code 0, nothing is printed.
    ClosedPipe,
}

impl ErrorKind {
    /// The process's exit code for this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Failure | Self::AnswerIsNo => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
        }
    }
}

/// An error on its way to the person at the terminal.
#[derive(Debug)]
pub struct CommandError {
    kind: ErrorKind,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// An error of the kind most commands end with: exit code 1.
    pub fn failure(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Failure, source)
    }

    /// A wrong command line or configuration: exit code 2.
    pub fn usage(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Usage, source)
    }

    /// The command was interrupted and has cleaned up: exit code 130.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted")
    }

    /// The result could not be written to stdout. A reader that has gone ends the program quietly.
    pub fn stdout(err: io::Error) -> Self {
        match err.kind() {
            io::ErrorKind::BrokenPipe => err.into(),
            _ => Self::failure(format!("cannot write the result to the standard output: {err}")),
        }
    }

    pub(crate) fn answer_is_no() -> Self {
        Self::new(ErrorKind::AnswerIsNo, "the answer is no")
    }

    fn new(kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    /// Adds a hint: something to do that is likely to help, if possible a command to run.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a hint where there is one.
    #[must_use]
    pub fn hint_if_some(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Which exit code this error ends the program with.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What helps, most helpful first.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The causes behind the message, outermost first, without those whose text the one before already holds.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut previous = self.source.to_string();
        let mut next = self.source.source();
        while let Some(err) = next {
            let text = err.to_string();
            if !previous.contains(&text) {
                causes.push(text.clone());
            }
            previous = text;
            next = err.source();
        }
        causes
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// Only for what a command writes to stdout or asks at the terminal: a reader that has gone ends the program quietly.
impl From<io::Error> for CommandError {
    fn from(err: io::Error) -> Self {
        match err.kind() {
            io::ErrorKind::BrokenPipe => Self::new(ErrorKind::ClosedPipe, err),
            io::ErrorKind::Interrupted => Self::interrupted(),
            _ => Self::failure(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the lock")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_follow_the_chain() {
        let err = CommandError::failure(Outer(io::Error::other("disk on fire")));
        assert_eq!(err.to_string(), "cannot read the lock");
        assert_eq!(err.causes(), ["disk on fire"]);
    }

    #[test]
    fn a_closed_pipe_counts_as_done() {
        let err = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(err.kind().exit_code(), 0);
    }
}
