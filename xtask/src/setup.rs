//! Installs what the tests and the quickstart need beyond the Rust toolchain. Quick when there is nothing to do.

use anyhow::Result;
use clap::Args;

use crate::foreign_programs;
use crate::guest_toolchain::GuestToolchain;
use crate::language_toolchains;
use crate::process::{cargo, execute, say, workspace_root};
use crate::wkg;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Take the distribution's packages even where rustup could add the target
    #[arg(long)]
    distribution: bool,
}

/// Everything that a test may ask of the machine.
pub(crate) fn run(options: &Options) -> Result<GuestToolchain> {
    let toolchain = for_rust(options)?;
    language_toolchains::install()?;
    wkg::for_tests()?;
    Ok(toolchain)
}

/// What compiles guests in Rust: enough for the quickstart and the benches.
pub(crate) fn for_rust(options: &Options) -> Result<GuestToolchain> {
    let toolchain = GuestToolchain::install(options.distribution)?;
    say(&format!("guests are compiled by {toolchain}"));
    fetch_packages()?;
    foreign_programs::install()?;
    Ok(toolchain)
}

/// Downloads the packages that guests depend on, so that tests can compile them without a network.
fn fetch_packages() -> Result<()> {
    for folder in ["templates", "libs/wash-runtime/tests/guests", "bins/wash-dev/tests/guests"] {
        let folder = workspace_root().join(folder);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(folder)? {
            let manifest = entry?.path().join("Cargo.toml");
            if manifest.is_file() {
                let arguments = ["fetch", "--quiet", "--locked", "--manifest-path"];
                execute(cargo(arguments).arg(&manifest))?;
            }
        }
    }
    Ok(())
}
