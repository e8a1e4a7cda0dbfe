//! `wash build`: a project in, a validated component out.

mod cli;
mod command;
mod command_error;
mod fetch;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::build)
}
