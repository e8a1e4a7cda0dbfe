//! `wash dev`: watch, build, swap, serve.

mod artifact_watch;
mod artifacts;
mod cli;
mod command;
mod command_error;
mod components;
mod configuration;
mod dependencies;
mod development;
mod filesystem;
mod images;
mod interrupts;
mod keys;
mod links;
mod missing_imports;
mod neighbour;
mod own_writes;
mod page;
mod port_holder;
mod ports;
mod report;
mod rules;
mod served;
mod settings;
mod snapshot;
mod sources;
mod syntax;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::dev)
}
