//! `wash oci` itself: which of its commands is to run.

use std::env;

use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};

use crate::cli::{Oci, OciCommand};
use crate::{attach, cache, copy, info, login, pull, push, serve, sign, tags};

impl Tool for Oci {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn oci(args: Oci, ui: &Ui) -> Result<(), CommandError> {
    let global = args.global;
    if let OciCommand::Serve(args) = &args.command {
        // Before the folder changes: the program may start again.
        serve::hide_password(args, ui);
    }
    if global.directory.is_some() {
        // Every path on the command line is relative to it; no other thread has begun.
        let start_dir = global.start_dir().map_err(CommandError::usage)?;
        env::set_current_dir(start_dir).map_err(CommandError::usage)?;
    }
    match args.command {
        OciCommand::Push(args) => push::push(args, &global, ui),
        OciCommand::Pull(args) => pull::pull(&args, &global, ui),
        OciCommand::Copy(args) => copy::copy(&args, &global, ui),
        OciCommand::Tag(args) => tags::tag(&args, &global, ui),
        OciCommand::List(args) => tags::list(&args, &global, ui),
        OciCommand::Delete(args) => tags::delete(&args, &global, ui),
        OciCommand::Info(args) => info::info(&args, &global, ui),
        OciCommand::Login(args) => login::login(&args, &global, ui),
        OciCommand::Logout(args) => login::logout(&args, ui),
        OciCommand::Attach(args) => attach::attach(&args, &global, ui),
        OciCommand::Referrers(args) => attach::referrers(&args, &global, ui),
        OciCommand::Sign(args) => sign::sign(&args, &global, ui),
        OciCommand::Verify(args) => sign::verify(&args, &global, ui),
        OciCommand::GenerateKey(args) => sign::generate_key(&args, ui),
        OciCommand::Serve(args) => serve::serve(&args, ui),
        OciCommand::Cache(command) => cache::cache(&command, &global, ui),
    }
}
