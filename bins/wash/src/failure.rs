//! An error as the front-end reports it: exit code, message, causes and hints.
//!
//! Every conversion from another module's error, and every hint, stands here.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use crate::completion::SHELLS;
use crate::drain;
use crate::exec::Refusal;
use crate::invocation::{BUILT_IN, UsageError};
use crate::known;
use crate::options;
use crate::output::printable;
use crate::search::FoundTool;
use crate::suggest;

/// The command line is wrong.
const USAGE: u8 = 2;
/// The tool was found but cannot be run.
const NOT_RUNNABLE: u8 = 126;
/// There is no such tool.
const NOT_FOUND: u8 = 127;

/// An error on its way to the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit_code: u8,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
}

impl Failure {
    fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self { exit_code, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Stdout could not be written to, and not because its reader has gone.
    pub(crate) fn stdout(err: &io::Error) -> Self {
        Self::new(1, "cannot write to stdout").cause(err.to_string())
    }

    /// No folder has a tool for this command; `tools` are those there are.
    pub(crate) fn no_such_command(command: &OsStr, tools: &[FoundTool]) -> Self {
        let name = printable(command);
        if known::is_known(command) {
            let failure = Self::new(NOT_FOUND, format!("wash-{name} is not installed"));
            return failure.hint("`wash help` says where commands are searched, `wash --list` shows those found");
        }
        let failure = Self::new(NOT_FOUND, format!("no such command: `{name}`"));
        // Nobody types a name that is not text.
        let names = tools.iter().filter_map(|tool| tool.command.to_str()).chain(BUILT_IN);
        match suggest::nearest(&name, names) {
            Some(near) => failure.hint(format!("a command with a similar name exists: `{near}`")),
            None => failure.hint("`wash --list` shows the commands"),
        }
    }

    /// The tool exists, but the operating system does not run it.
    pub(crate) fn not_runnable(path: &Path, refusal: &Refusal) -> Self {
        let failure = Self::new(NOT_RUNNABLE, format!("cannot run {}", printable(path.as_os_str())));
        match refusal {
            Refusal::NotExecutable => {
                failure.cause("the file is not marked as executable").hint(format!("`chmod +x {}`", quoted(path)))
            }
            Refusal::NoProgram => failure
                .cause("the file is neither a program nor a script that begins with `#!`")
                .hint("install the tool again; in a script of your own, begin the first line with `#!/bin/sh`"),
            Refusal::NoInterpreter(Some(interpreter)) => failure.cause(format!(
                "the interpreter that its first line names does not exist: `{}`",
                printable(interpreter)
            )),
            Refusal::NoInterpreter(None) => failure
                .cause("the loader that the program asks for does not exist")
                .hint("install the build of the tool that is made for this system"),
            Refusal::Other(err) => failure.cause(err.to_string()),
        }
    }

    /// A tool that should clean its cache could not be run.
    pub(crate) fn drain(cache: &str, err: &io::Error) -> Self {
        Self::new(NOT_RUNNABLE, format!("cannot run wash-{cache}")).cause(err.to_string())
    }

    /// A tool could not clean its cache, and has said why.
    pub(crate) fn drain_status(cache: &str, status: ExitStatus) -> Self {
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Self::new(code, format!("the cache `{cache}` could not be drained"))
    }

    /// `wash drain` knows no such cache.
    pub(crate) fn unknown_cache(cache: &OsStr) -> Self {
        Self::new(USAGE, format!("unknown cache: `{}`", printable(cache))).hint(possible(drain::TARGETS.into_iter()))
    }

    /// `wash completion` knows no such shell.
    pub(crate) fn unknown_shell(shell: &OsStr) -> Self {
        let shell = printable(shell);
        let names = || SHELLS.iter().map(|(name, _)| *name);
        let failure = Self::new(USAGE, format!("unknown shell: `{shell}`")).hint(possible(names()));
        match suggest::nearest(&shell, names()) {
            Some(near) => failure.hint(format!("`wash completion {near}`")),
            None => failure,
        }
    }
}

impl From<UsageError> for Failure {
    fn from(err: UsageError) -> Self {
        match err {
            UsageError::UnknownOption(written) => {
                let written = printable(&written);
                let failure = Self::new(USAGE, format!("unknown option: `{written}`"));
                let name = written.trim_start_matches('-').split('=').next().unwrap_or_default();
                let failure = match suggest::nearest(name, options::all().filter_map(|option| option.long)) {
                    Some(near) => failure.hint(format!("an option with a similar name exists: `--{near}`")),
                    None => failure,
                };
                failure.hint("options of a command come after its name; `wash help` lists those that may come before")
            }
            UsageError::MissingValue { written, value_name } => {
                let written = printable(&written);
                let written = written.trim_end_matches('=');
                Self::new(USAGE, format!("option `{written}` needs a value"))
                    .hint(format!("`wash {written} <{value_name}> <COMMAND>`"))
            }
            UsageError::UnexpectedValue { written } => {
                Self::new(USAGE, format!("option takes no value: `{}`", printable(&written)))
                    .hint("`wash help` lists the options")
            }
            UsageError::InvalidValue { option, value, possible: values } => {
                Self::new(USAGE, format!("invalid value for `{option}`: `{}`", printable(&value)))
                    .hint(possible(values.iter().copied()))
            }
            UsageError::UnexpectedArgument(word) => {
                Self::new(USAGE, format!("unexpected argument: `{}`", printable(&word)))
                    .hint("`wash help` shows the usage")
            }
            UsageError::MissingCache => {
                Self::new(USAGE, "`wash drain` needs the name of a cache").hint(possible(drain::TARGETS.into_iter()))
            }
            UsageError::MissingShell => Self::new(USAGE, "`wash completion` needs the name of a shell")
                .hint(possible(SHELLS.iter().map(|(name, _)| *name))),
        }
    }
}

fn possible<'a>(values: impl Iterator<Item = &'a str>) -> String {
    format!("possible values: {}", values.collect::<Vec<_>>().join(", "))
}

/// The path as a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-+".contains(letter)) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_hints_can_be_pasted() {
        assert_eq!(quoted(Path::new("/opt/wash-1.0/bin/wash-x")), "/opt/wash-1.0/bin/wash-x");
        assert_eq!(quoted(Path::new("/it's/a b")), r"'/it'\''s/a b'");
    }
}
