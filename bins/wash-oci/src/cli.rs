//! The command line of `wash oci`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

#[path = "serve/cli.rs"]
mod serve;

use clap::{Parser, Subcommand};
use washlib_cli::GlobalArgs;

pub(crate) use serve::Serve;

/// Keep components in OCI registries
#[derive(Debug, Parser)]
#[command(name = "wash-oci", bin_name = "wash oci", version)]
pub(crate) struct Oci {
    #[command(subcommand)]
    pub(crate) command: OciCommand,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OciCommand {
    Serve(Serve),
}
