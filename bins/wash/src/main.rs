//! `wash`: finds the tool `wash-<command>` and becomes it.
//!
//! Reads no configuration, opens no connection and links no library but the standard one: what a command does, its tool
//! does.

mod commands;
mod completion;
mod drain;
mod exec;
mod failure;
mod help;
mod invocation;
mod json;
mod known;
mod list;
mod options;
mod output;
mod search;
mod suggest;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (output, outcome) = match invocation::parse(env::args_os().skip(1)) {
        Ok(invocation) => (output::Output::new(&invocation), commands::perform(invocation)),
        Err(err) => (output::Output::default(), Err(err.into())),
    };
    match outcome.and_then(|answer| output.answer(answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}
