//! `wash oci`: artifacts to, from and between OCI registries, and a registry of one's own.

mod attach;
mod cache;
mod cli;
mod command;
mod command_error;
mod copy;
mod endpoint;
mod info;
mod login;
mod output_file;
mod pull;
mod push;
mod serve;
mod session;
mod sign;
mod tags;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::oci)
}
