//! Everything a tool says goes through one [`Ui`]: results to stdout, all else to stderr.
//!
//! Knows about terminals, colours and formats; knows nothing about what is said.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::status_line::Bottom;
use crate::{
    ColorChoice, CommandError, Envelope, EventQueue, GlobalArgs, LogLevel, OutputFormat, Progress, StatusLine, prompt,
};

const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// How long an error waits for a program that reads events.
const PATIENCE_FOR_READERS: Duration = Duration::from_secs(1);

/// A tool's only way to its terminal. Clones speak to the same one.
#[derive(Clone, Debug)]
pub struct Ui {
    format: OutputFormat,
    log_level: LogLevel,
    interactive: bool,
    colors: anstream::ColorChoice,
    streaming: Arc<AtomicBool>,
    bottom: Bottom,
}

impl Ui {
    /// The output that the global options ask for.
    pub fn new(global: &GlobalArgs) -> Self {
        let colors = match global.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self {
            format: global.output,
            log_level: if global.verbose { global.log_level.max(LogLevel::Debug) } else { global.log_level },
            // The question goes to stderr, the answer comes from stdin.
            interactive: !global.non_interactive && io::stdin().is_terminal() && io::stderr().is_terminal(),
            colors,
            streaming: Arc::default(),
            bottom: Bottom::default(),
        }
    }

    /// Whether the result is wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether a person can be asked: stdin and stderr are a terminal, and nobody forbade questions.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// The least important messages to show.
    pub fn log_level(&self) -> LogLevel {
        self.log_level
    }

    /// Whether text on stderr may be coloured.
    pub fn colors_stderr(&self) -> bool {
        anstream::AutoStream::new(io::stderr(), self.colors).current_choice() != anstream::ColorChoice::Never
    }

    /// Prints the result of a one-shot command: `text` for people, or the envelope around `data`.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn result<T: Serialize>(&self, text: &str, message: &str, data: T) -> Result<(), CommandError> {
        if self.is_json() { self.document(&Envelope::success(message, data)) } else { self.text(text) }
    }

    /// Prints the result of a command whose answer is no, as [`Ui::result`] would, and returns what it then ends with.
    pub fn answer_no<T: Serialize>(&self, text: &str, message: &str, data: T) -> CommandError {
        let printed = if self.is_json() { self.document(&Envelope::no(message, data)) } else { self.text(text) };
        printed.err().unwrap_or_else(CommandError::answer_is_no)
    }

    /// Whether a person reads the result: stdout is a terminal, and text is wanted.
    pub fn is_read_by_person(&self) -> bool {
        !self.is_json() && io::stdout().is_terminal()
    }

    /// Prints bytes to stdout as they are.
    ///
    /// # Errors
    ///
    /// When stdout is a terminal, which binary data could upset, or cannot be written to.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(CommandError::usage("a binary is not written to a terminal"));
        }
        let mut stdout = stdout.lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CommandError::stdout)
    }

    /// Prints text to stdout, with a line feed at its end.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn text(&self, text: &str) -> Result<(), CommandError> {
        let mut stdout = anstream::AutoStream::new(io::stdout(), self.colors).lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write!(stdout, "{text}{end}").and_then(|()| stdout.flush()).map_err(CommandError::stdout)
    }

    /// Prints one event of a command that keeps running, as a line of JSON. From the first one on, errors are lines too.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn event<T: Serialize>(&self, event: &T) -> Result<(), CommandError> {
        self.begin_stream();
        let line = serde_json::to_string(event).map_err(CommandError::failure)?;
        self.line_of_stream(&line).map_err(CommandError::stdout)
    }

    /// A queue for the events of a command that must not wait for whoever reads them. `on_closed` is called, on another
    /// thread, when stdout takes no more.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn event_queue(&self, on_closed: impl FnOnce() + Send + 'static) -> Result<EventQueue, CommandError> {
        EventQueue::start(self, on_closed).map_err(CommandError::failure)
    }

    /// From now on, an error in JSON is one line of a stream of events, even if it is the first.
    pub fn begin_stream(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }

    pub(crate) fn line_of_stream(&self, line: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }

    /// Says on stderr what is being done, in cargo's manner: a verb and its object.
    pub fn status(&self, verb: &str, object: &str) {
        if self.log_level >= LogLevel::Info {
            self.stderr(&format!("{GREEN}{verb:>12}{GREEN:#} {object}"));
        }
    }

    /// Prints a line on stderr that is part of what a running command shows, such as a request that it has answered.
    pub fn line(&self, text: &str) {
        if self.log_level >= LogLevel::Info {
            self.stderr(text);
        }
    }

    /// Says on stderr how something is done; only with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.log_level >= LogLevel::Debug {
            self.stderr(text);
        }
    }

    /// Warns on stderr.
    pub fn warn(&self, text: &str) {
        if self.log_level >= LogLevel::Warn {
            self.stderr(&format!("{YELLOW}warning{YELLOW:#}: {text}"));
        }
    }

    /// Suggests on stderr what to do next.
    pub fn hint(&self, text: &str) {
        if self.log_level >= LogLevel::Info {
            self.stderr(&format!("{CYAN}hint{CYAN:#}: {text}"));
        }
    }

    /// Reports an error: on stderr with its causes and hints, or as JSON on stdout, as long as that takes anything.
    pub fn error(&self, err: &CommandError) {
        if self.is_json() && self.error_document(err).is_ok() {
            return;
        }
        let mut text = format!("{RED}error{RED:#}: {err}");
        for cause in err.causes() {
            text.push_str(&format!("\n  caused by: {}", cause.replace('\n', "\n    ")));
        }
        for hint in err.hints() {
            text.push_str(&format!("\n{CYAN}hint{CYAN:#}: {hint}"));
        }
        self.stderr(&text);
    }

    /// Asks a yes-or-no question. Without a person at a terminal the answer is no, and so is the answer to an empty line.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be read; `Interrupted` on Ctrl-C.
    pub fn confirm(&self, question: &str) -> io::Result<bool> {
        if !self.interactive {
            return Ok(false);
        }
        let question = question.to_owned();
        let ask = || dialoguer::Confirm::new().with_prompt(question).default(false).interact_opt();
        prompt::dialog(ask).map(|answer| answer.unwrap_or(false))
    }

    /// Lets a person choose one of `items`. `None` without a person at a terminal, and when they choose none.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be read; `Interrupted` on Ctrl-C.
    pub fn select(&self, question: &str, items: &[String]) -> io::Result<Option<usize>> {
        if !self.interactive || items.is_empty() {
            return Ok(None);
        }
        let (question, items) = (question.to_owned(), items.to_vec());
        prompt::dialog(|| dialoguer::Select::new().with_prompt(question).items(items).default(0).interact_opt())
    }

    /// Asks for a line of text. Without a person at a terminal there is none.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be read; `Interrupted` on Ctrl-C.
    pub fn ask(&self, question: &str) -> io::Result<Option<String>> {
        if !self.interactive {
            return Ok(None);
        }
        let question = question.to_owned();
        prompt::dialog(|| dialoguer::Input::<String>::new().with_prompt(question).interact_text()).map(Some)
    }

    /// Asks for a secret, which the terminal does not show. Without a person at a terminal there is none. With
    /// `repeated`, it is asked for twice and must be the same; an empty one is an answer too.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be read; `Interrupted` on Ctrl-C.
    pub fn ask_secret(&self, question: &str, repeated: Option<&str>) -> io::Result<Option<String>> {
        if !self.interactive {
            return Ok(None);
        }
        prompt::secret(question, repeated).map(Some)
    }

    /// Starts a progress bar, drawn only on a terminal and only when statuses are shown.
    pub fn progress(&self, message: &str) -> Progress {
        let visible = io::stderr().is_terminal() && !self.is_json() && self.log_level >= LogLevel::Info;
        Progress::new(message, visible)
    }

    /// A line at the bottom of the terminal, drawn only on one and only when statuses are shown. There can be one at a
    /// time.
    pub fn status_line(&self) -> StatusLine {
        let visible = io::stderr().is_terminal() && !self.is_json() && self.log_level >= LogLevel::Info;
        StatusLine::new(self.bottom.clone(), visible)
    }

    /// Empties the terminal.
    pub fn clear_screen(&self) {
        if io::stderr().is_terminal() {
            self.bottom.print(|| {
                let mut stderr = io::stderr().lock();
                // The screen, what has been scrolled away, and the cursor to the corner.
                let _ = stderr.write_all(b"\x1b[2J\x1b[3J\x1b[H").and_then(|()| stderr.flush());
            });
        }
    }

    fn document<T: Serialize>(&self, document: &T) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(document).map_err(CommandError::failure)?;
        self.line_of_stream(&text).map_err(CommandError::stdout)
    }

    fn error_document(&self, err: &CommandError) -> Result<(), CommandError> {
        let envelope = Envelope::<()> {
            message: err.to_string(),
            success: false,
            data: None,
            causes: err.causes(),
            hints: err.hints().to_vec(),
        };
        if self.streaming.load(Ordering::Relaxed) {
            let line = serde_json::to_string(&ErrorEvent { kind: "error", envelope }).map_err(CommandError::failure)?;
            // Whoever has stopped reading, perhaps with an event half written, keeps no program from its end.
            let (told, heard) = mpsc::channel();
            let ui = self.clone();
            let writer = move || _ = told.send(ui.line_of_stream(&line));
            thread::Builder::new().name("error".into()).spawn(writer).map_err(CommandError::stdout)?;
            match heard.recv_timeout(PATIENCE_FOR_READERS) {
                Ok(written) => written.map_err(CommandError::stdout),
                Err(_) => Err(CommandError::failure("nobody reads the standard output")),
            }
        } else {
            self.document(&envelope)
        }
    }

    fn stderr(&self, text: &str) {
        self.bottom.print(|| {
            let mut stderr = anstream::AutoStream::new(io::stderr(), self.colors).lock();
            // Nobody to tell when stderr is closed.
            let _ = writeln!(stderr, "{text}");
        });
    }
}

/// Log records keep out of the status line's way, too.
impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Ui {
    type Writer = RecordWriter;

    fn make_writer(&'a self) -> RecordWriter {
        RecordWriter { bottom: self.bottom.clone() }
    }
}

/// Writes log records to stderr.
#[derive(Debug)]
pub struct RecordWriter {
    bottom: Bottom,
}

impl io::Write for RecordWriter {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut written = Ok(0);
        self.bottom.print(|| written = io::stderr().write(record));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The last line of a stream that ended in an error.
#[derive(Serialize)]
struct ErrorEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    envelope: Envelope<()>,
}
