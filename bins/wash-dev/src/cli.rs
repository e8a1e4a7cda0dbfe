//! The command line of `wash dev`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::net::SocketAddr;

use clap::Parser;
use washlib_cli::GlobalArgs;

/// Build a component, serve it, and swap it in when its source changes
///
/// Builds the project with `dev.command`, or else `build.command` or its recognised toolchain, and serves the component's
/// `wasi:http/incoming-handler` on `dev.address`, with the components and the service that `dev.components` and
/// `dev.service_file` add. When a source changes, the project is built again and what is new takes over: requests in
/// flight finish on the old version, no connection is closed, and stored data stay. A component file that somebody else
/// replaces takes over at once. A build that fails is reported, and the last good version stays; its responses then have
/// the header `x-wash-dev-stale`.
///
/// Browsers on this machine see at `/__wash/` what is served, the requests, the logs and the last build, as it happens.
#[derive(Debug, Parser)]
#[command(name = "wash-dev", bin_name = "wash dev", version, after_help = AFTER_HELP)]
pub(crate) struct Dev {
    /// The address to listen on, instead of `dev.address`; port 0 takes any free port
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub(crate) address: Option<SocketAddr>,

    /// The port to listen on, instead of that of `dev.address`; 0 takes any free one
    #[arg(long, value_name = "PORT", conflicts_with = "address")]
    pub(crate) port: Option<u16>,

    /// Build, put the project into service, and end: exit code 0 says that it starts
    #[arg(long)]
    pub(crate) once: bool,

    /// Build and serve, and look for no changes
    #[arg(long)]
    pub(crate) no_watch: bool,

    /// Look for changes twice in a second, where the file system tells of none
    #[arg(long, conflicts_with = "no_watch")]
    pub(crate) poll: bool,

    /// Open the project in a browser as soon as it is served
    #[arg(long)]
    pub(crate) open: bool,

    /// Leave out the page at /__wash/
    #[arg(long)]
    pub(crate) no_ui: bool,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

const AFTER_HELP: &str = "\
Examples:
  wash dev                            Serve the project in or above this folder on 127.0.0.1:8000
  wash dev --port 0                   Serve on a free port and print which
  wash dev --address 0.0.0.0:8000     Let other machines in
  wash -C services/hello dev          Serve another project
  wash dev --open                     Open a browser when the component answers
  wash dev --once                     Check that the project builds and starts
  wash dev -o json                    Print an event per line, for an editor or a script

Events with `-o json`, by their `type`: `publishing`, `building`, `pulling`, `pulled`, `built`, `ready` (with `address`),
`swapped`, `unchanged`, `build-failed`, `request`, `requests-not-told`, `service-restarting`, `service-completed`,
`service-failed`, and `error` as the last one when it cannot go on.

Without a terminal (or with --non-interactive) a first build that fails ends the program; at a terminal it waits for the
next change.

Exit status:
  0    ended by Ctrl-C or SIGTERM, after the requests in flight; a second one does not wait for them
  1    the address is taken, or the first build failed
  2    the command line or the configuration is wrong";

/// An address, with `localhost` as everyone types it.
fn address(text: &str) -> Result<SocketAddr, std::net::AddrParseError> {
    text.replacen("localhost:", "127.0.0.1:", 1).parse()
}
