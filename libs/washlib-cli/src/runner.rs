//! The one runner around every tool's `main`: parses arguments, prepares output and logs, prints the error, and returns
//! the exit code.

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::logging::{self, RecordLayer};
use crate::ui::Ui;
use crate::{CommandError, ErrorKind, GlobalArgs};

/// A tool's command line: clap's derive gives everything but the way to its global options.
pub trait Tool: Parser {
    /// The options that all tools share.
    fn global(&self) -> &GlobalArgs;
}

/// Runs a tool: the body of every `main`.
pub fn run<T: Tool>(command: impl FnOnce(T, &Ui) -> Result<(), CommandError>) -> ExitCode {
    run_with_records(|_| Ok(((), None)), |tool, ui, ()| command(tool, ui))
}

/// Runs a tool that sends log records elsewhere too. `prepare` decides where, once the command line is known, and hands
/// the command what it needs for that.
pub fn run_with_records<T: Tool, P>(
    prepare: impl FnOnce(&T) -> Result<(P, Option<RecordLayer>), CommandError>,
    command: impl FnOnce(T, &Ui, P) -> Result<(), CommandError>,
) -> ExitCode {
    let tool = match T::try_parse() {
        Ok(tool) => tool,
        Err(err) => {
            // Help and version arrive here too, as errors with exit code 0.
            let code = match err.print() {
                // A reader that has gone is no failure.
                Err(err) if err.kind() == io::ErrorKind::BrokenPipe => 0,
                Err(unprinted) if !err.use_stderr() => {
                    let unprinted = CommandError::stdout(unprinted);
                    Ui::new(&GlobalArgs::default()).error(&unprinted);
                    unprinted.kind().exit_code()
                }
                _ => u8::try_from(err.exit_code()).unwrap_or(2),
            };
            return ExitCode::from(code);
        }
    };
    let ui = Ui::new(tool.global());
    let result = prepare(&tool).and_then(|(prepared, records)| {
        logging::init(ui.log_level(), &ui, records);
        command(tool, &ui, prepared)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            if !matches!(err.kind(), ErrorKind::ClosedPipe | ErrorKind::AnswerIsNo) {
                ui.error(&err);
            }
            ExitCode::from(err.kind().exit_code())
        }
    }
}
