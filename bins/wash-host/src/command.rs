//! `wash host` itself: which of its commands is to run.

use std::env;

use washlib_cli::{CommandError, GlobalArgs, RecordLayer, Tool, Ui};

use crate::cache;
use crate::cli::{Host, HostCommand};
use crate::command_error;
use crate::run;
use crate::telemetry::Telemetry;

impl Tool for Host {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// Starts to send telemetry, if a host is to run and the environment asks for it.
pub(crate) fn prepare(args: &Host) -> Result<(Option<Telemetry>, Option<RecordLayer>), CommandError> {
    let HostCommand::Run(_) = &args.command else { return Ok((None, None)) };
    let telemetry = Telemetry::from_environment().map_err(command_error::telemetry)?;
    let records = telemetry.as_ref().and_then(Telemetry::records);
    Ok((telemetry, records))
}

/// The body of `main`.
pub(crate) fn host(args: Host, ui: &Ui, telemetry: Option<Telemetry>) -> Result<(), CommandError> {
    let result = dispatch(args, ui, telemetry.as_ref());
    if let Some(telemetry) = telemetry {
        telemetry.shut_down();
    }
    result
}

fn dispatch(args: Host, ui: &Ui, telemetry: Option<&Telemetry>) -> Result<(), CommandError> {
    if args.global.directory.is_some() {
        // Every path on the command line is relative to it; no other thread has begun.
        let start_dir = args.global.start_dir().map_err(CommandError::usage)?;
        env::set_current_dir(start_dir).map_err(CommandError::usage)?;
    }
    match args.command {
        HostCommand::Run(run) => run::run(&run, &args.global, ui, telemetry),
        HostCommand::Cache(command) => cache::cache(&command, ui),
    }
}
