//! Dispatches to the commands of `wash wit`.

use washlib_cli::{CommandError, Tool, Ui};

use crate::cli::{Wit, WitCommand};
use crate::commands;
use crate::session::Session;

impl Tool for Wit {
    fn global(&self) -> &washlib_cli::GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn wit(args: Wit, ui: &Ui) -> Result<(), CommandError> {
    if let WitCommand::Cache(command) = &args.command {
        return commands::cache::run(command, ui);
    }
    let session = Session::open(&args.global, &args.dependencies, ui)?;
    match args.command {
        WitCommand::Fetch(args) => commands::fetch::run(&session, &args),
        WitCommand::Add(args) => commands::add::run(&session, &args),
        WitCommand::Remove(args) => commands::remove::run(&session, &args),
        WitCommand::Update(args) => commands::update::run(&session, &args),
        WitCommand::Clean => commands::clean::run(&session),
        WitCommand::Build(args) => commands::build::run(&session, &args),
        WitCommand::Check => commands::check::run(&session),
        WitCommand::Tree(args) => commands::tree::run(&session, &args),
        WitCommand::Outdated => commands::outdated::run(&session),
        WitCommand::Why(args) => commands::why::run(&session, &args),
        WitCommand::Vendor(args) => commands::vendor::run(&session, &args),
        WitCommand::Publish(args) => commands::publish::run(&session, &args),
        WitCommand::Cache(command) => commands::cache::run(&command, ui),
    }
}
