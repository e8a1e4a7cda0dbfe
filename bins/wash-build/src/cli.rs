//! The command line of `wash build`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use clap::Parser;
use washlib_cli::GlobalArgs;

/// Build a WebAssembly component from a project
///
/// Finds the project from any folder inside it, runs its `build.command`, and checks that the result is a valid
/// component. Without a configured command, Cargo, npm, Go and Python projects are recognised. A core module is wrapped
/// with the WASI preview-1 adapter that fits it. The path of the component is printed on stdout; everything that the
/// toolchain prints goes to stderr.
#[derive(Debug, Parser)]
#[command(name = "wash-build", bin_name = "wash build", version, after_help = AFTER_HELP)]
pub(crate) struct Build {
    /// Use the WIT dependencies in `wit/deps` as they are
    #[arg(long)]
    pub(crate) skip_fetch: bool,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

const AFTER_HELP: &str = "\
Examples:
  wash build                          Build the project in or above this folder
  wash -C services/hello build        Build another project
  wasm=$(wash build)                  Keep the component's path in a script
  wash build -o json | jq .data       Read the result with a program
  WASH_BUILD_COMMAND='make wasm' wash build

Exit status:
  0    the component is there and valid
  1    the build failed, or its result is no component
  2    the command line or the configuration is wrong
  130  interrupted; everything that the build started has ended";
