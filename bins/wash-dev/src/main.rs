//! `wash dev`: watch, build, swap, serve.

mod cli;
mod command;
mod command_error;
mod cycle;
mod interrupts;
mod own_writes;
mod report;
mod served;
mod settings;
mod snapshot;
mod sources;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::dev)
}
