//! The command line of `wash oci serve`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap alone, because the generator of man pages and completions includes it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Serve a registry on this machine
///
/// A registry for development, without a container engine: `wash oci push`, `wash dev`, `skopeo`, `oras` and all other
/// clients of the OCI distribution specification can use it. DIR holds an OCI image layout for each repository, in a
/// folder of the repository's name, which other programs can read and write too: `skopeo copy oci:DIR/hello:1.0.0 …`.
///
/// Only programs on this machine can reach it, unless `--allow-remote` says otherwise.
#[derive(Args, Debug)]
#[command(after_help = SERVE_AFTER_HELP)]
pub(crate) struct Serve {
    /// The folder of the registry; made if it is not there [default: `wash/registry` among the user's data]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5000")]
    pub(crate) addr: SocketAddr,

    /// Listen where other machines can reach it; somebody must be named who is let in
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Let only this user in. The shell remembers what is typed here: `--auth-file` and `WASH_OCI_SERVE_AUTH` do not
    /// show a password
    #[arg(long, value_name = "USER:PASSWORD", conflicts_with = "auth_file")]
    pub(crate) auth: Option<String>,

    /// Let only these users in: a file of `user:password` lines, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) auth_file: Option<PathBuf>,

    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

const SERVE_AFTER_HELP: &str = "\
Examples:
  wash oci serve                                    A registry on 127.0.0.1:5000 that keeps what is pushed to it
  wash oci serve ./registry --addr 127.0.0.1:0      Another folder, and any free port
  wash oci serve --auth-file users.txt --tls-cert tls.crt --tls-key tls.key --addr 0.0.0.0:5000 --allow-remote
  wash oci serve -o json                            Print an event per line, for a script

Events with `-o json`, by their `type`: `ready` (with `address`, `url` and `directory`), `request` (with `method`, `path`,
`status`, `sent` and `elapsed_ms`), `warning`, `stopping`, `stopped`, and `error` as the last one when it cannot go on.

Environment: WASH_OCI_SERVE_AUTH is one user as `user:password`, where neither --auth nor --auth-file is given.

Exit status:
  0    ended by Ctrl-C or SIGTERM, after the requests in flight; a second one does not wait for them
  1    the address is taken, or the folder cannot be used
  2    the command line is wrong";
