//! `wash new`: a template in, a project folder out.

mod cli;
mod command;
mod command_error;
mod project_name;
mod setup_command;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::new)
}
