//! What every `wash` tool shares on the command line: the runner around `main`, global arguments, output, errors and
//! exit codes, progress bars, logs and interrupts.
//!
//! Deliberately without an async runtime, a network client or any type of the domain: a tool that only reads a file
//! must start in milliseconds.

mod args;
mod envelope;
mod error;
mod events;
mod interrupt;
mod logging;
mod progress;
mod prompt;
mod registry_args;
mod runner;
mod status_line;
mod ui;

pub use args::{ColorChoice, GlobalArgs, LogLevel, OutputFormat, PruneArgs};
pub use envelope::Envelope;
pub use error::{CommandError, ErrorKind};
pub use events::{EventQueue, Importance};
pub use interrupt::{Interrupt, on_interrupt};
pub use logging::RecordLayer;
pub use progress::Progress;
pub use registry_args::RegistryArgs;
pub use runner::{Tool, run, run_with_records};
pub use status_line::StatusLine;
pub use ui::Ui;
