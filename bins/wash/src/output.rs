//! Everything the front-end says: answers to stdout, errors to stderr or, with `-o json`, as a document to stdout.
//!
//! Looks and sounds like the tools' own output; knows nothing about what is said.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::invocation::{Color, Format, Invocation};
use crate::json::Json;

/// What a built-in command has to say.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For people.
    pub(crate) text: String,
    /// For programs; nothing when the answer is the same text in every format.
    pub(crate) document: Option<Document>,
}

/// The part of an answer that goes into the envelope.
#[derive(Debug)]
pub(crate) struct Document {
    /// One line for people.
    pub(crate) message: String,
    pub(crate) data: Json,
}

/// The front-end's way to its terminal.
#[derive(Debug, Default)]
pub(crate) struct Output {
    format: Format,
    color: Color,
}

impl Output {
    /// The output that the command line asks for.
    pub(crate) fn new(invocation: &Invocation) -> Self {
        Self { format: invocation.format, color: invocation.color }
    }

    /// Prints an answer.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to; a reader that has gone is none.
    pub(crate) fn answer(&self, answer: Answer) -> Result<(), Failure> {
        let written = match answer.document {
            Some(document) if self.format == Format::Json => print(&success_document(document)),
            _ => print(&answer.text),
        };
        match written {
            Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(&err)),
            _ => Ok(()),
        }
    }

    /// Prints an error and returns the exit code that says the same.
    pub(crate) fn failure(&self, failure: &Failure) -> ExitCode {
        // With the stream closed there is nobody left to tell; the exit code still says it.
        let _ = match self.format {
            Format::Json => print(&error_document(failure)),
            Format::Text => io::stderr().lock().write_all(error_text(failure, self.style()).as_bytes()),
        };
        ExitCode::from(failure.exit_code)
    }

    fn style(&self) -> Style {
        let colored = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
                !is_set("NO_COLOR") && !is_dumb && io::stderr().is_terminal()
            }
        };
        if colored { Style::COLORED } else { Style::PLAIN }
    }
}

/// Text from outside as it may appear in ours: control characters and bytes that are no text are made visible.
pub(crate) fn printable(text: &OsStr) -> String {
    let mut printable = String::new();
    for letter in text.to_string_lossy().chars() {
        if letter.is_control() {
            printable.extend(letter.escape_default());
        } else {
            printable.push(letter);
        }
    }
    printable
}

/// Escape sequences around the labels of an error.
struct Style {
    error: &'static str,
    hint: &'static str,
    reset: &'static str,
}

impl Style {
    const COLORED: Self = Self { error: "\x1b[1;31m", hint: "\x1b[1;36m", reset: "\x1b[0m" };
    const PLAIN: Self = Self { error: "", hint: "", reset: "" };
}

fn error_text(failure: &Failure, style: Style) -> String {
    let Style { error, hint, reset } = style;
    let mut text = format!("{error}error{reset}: {}\n", failure.message);
    text.extend(failure.causes.iter().map(|cause| format!("  caused by: {cause}\n")));
    text.extend(failure.hints.iter().map(|line| format!("{hint}hint{reset}: {line}\n")));
    text
}

fn success_document(document: Document) -> String {
    let Document { message, data } = document;
    let fields = vec![("message", Json::Text(message)), ("success", Json::Bool(true)), ("data", data)];
    format!("{}\n", Json::Object(fields))
}

fn error_document(failure: &Failure) -> String {
    let mut fields =
        vec![("message", Json::Text(failure.message.clone())), ("success", Json::Bool(false)), ("data", Json::Null)];
    let lists = [("causes", &failure.causes), ("hints", &failure.hints)];
    fields.extend(lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (*name, Json::texts(list))));
    format!("{}\n", Json::Object(fields))
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
