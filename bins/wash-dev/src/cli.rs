//! The command line of `wash dev`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::net::SocketAddr;

use clap::Parser;
use washlib_cli::GlobalArgs;

/// Build a component, serve it, and swap it in when its source changes
///
/// Builds the project with `dev.command`, or else `build.command` or its recognised toolchain, and serves the component's
/// `wasi:http/incoming-handler` on `dev.address`. When a source changes, the component is built again and the new one
/// takes over: requests in flight finish on the old one, and no connection is closed. A build that fails is reported, and
/// the last good component stays.
#[derive(Debug, Parser)]
#[command(name = "wash-dev", bin_name = "wash dev", version, after_help = AFTER_HELP)]
pub(crate) struct Dev {
    /// The address to listen on, instead of `dev.address`; port 0 takes any free port
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

const AFTER_HELP: &str = "\
Examples:
  wash dev                            Serve the project in or above this folder on 127.0.0.1:8000
  wash dev --address 127.0.0.1:0      Serve on a free port and print which
  wash -C services/hello dev          Serve another project
  wash dev -o json                    Print an event per line, for an editor or a script

Events with `-o json`, by their `type`: `building`, `built`, `ready` (with `address`), `swapped`, `unchanged`,
`build-failed`, and `error` as the last one when it cannot go on.

Without a terminal (or with --non-interactive) a first build that fails ends the program; at a terminal it waits for the
next change.

Exit status:
  0    ended by Ctrl-C or SIGTERM, after the requests in flight; a second one does not wait for them
  1    the address is taken, or the first build failed
  2    the command line or the configuration is wrong";
