//! `wash inspect`: bytes in; imports, exports, WIT, metadata, differences and verdicts out. Nothing that it reads is run.

mod advice;
mod archive;
mod artifact;
mod check;
mod claims;
mod cli;
mod command;
mod command_error;
mod custom_sections;
mod dependencies;
mod describe;
mod diff;
mod graph;
mod host_profile;
mod metadata;
mod output;
mod own_name;
mod package;
mod partial;
mod print;
#[cfg(test)]
mod properties;
mod registry;
mod sbom;
mod size;
mod source;
mod strip;
mod summary;
mod write;

use std::process::ExitCode;

fn main() -> ExitCode {
    washlib_cli::run(command::inspect)
}
