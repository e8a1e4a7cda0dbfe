//! `wash host` itself: which of its commands is to run.

use std::env;

use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};

use crate::cli::{Host, HostCommand};
use crate::run;

impl Tool for Host {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn host(args: Host, ui: &Ui) -> Result<(), CommandError> {
    if args.global.directory.is_some() {
        // Every path on the command line is relative to it; no other thread has begun.
        let start_dir = args.global.start_dir().map_err(CommandError::usage)?;
        env::set_current_dir(start_dir).map_err(CommandError::usage)?;
    }
    match args.command {
        HostCommand::Run(run) => run::run(&run, &args.global, ui),
        HostCommand::Cache(_) => Err(CommandError::failure("the cache of compiled code is not there yet")),
    }
}
