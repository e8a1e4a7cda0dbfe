//! `wash oci`: components in registries.

mod cli;
mod command;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::oci)
}
