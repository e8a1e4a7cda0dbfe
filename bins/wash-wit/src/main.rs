//! `wash wit`: the WIT dependencies of a project.

mod cli;
mod command;
mod command_error;
mod commands;
mod progress;
mod project;
mod report;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::wit)
}
