//! `wash host`: run workloads on this machine and serve them.

mod admin;
mod cache;
mod cli;
mod command;
mod command_error;
mod documents;
mod events;
mod guest_output;
mod images;
mod interrupts;
mod lone;
mod options;
mod project;
mod report;
mod routing;
mod run;
mod serve;
mod source;
mod startable;
mod storage;
mod telemetry;

use std::process::ExitCode;

/// Requests of several cores would meet at the locks of the system's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    washlib_cli::run_with_records(command::prepare, command::host)
}
