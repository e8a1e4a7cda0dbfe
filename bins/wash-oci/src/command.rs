//! `wash oci` itself: which of its commands is to run.

use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};

use crate::cli::{Oci, OciCommand};
use crate::serve;

impl Tool for Oci {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn oci(args: Oci, ui: &Ui) -> Result<(), CommandError> {
    match args.command {
        OciCommand::Serve(serve) => serve::serve(&serve, &args.global, ui),
    }
}
