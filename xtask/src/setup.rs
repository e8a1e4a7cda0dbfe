//! Installs what the tests and the quickstart need beyond the Rust toolchain. Quick when there is nothing to do.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::foreign_programs;
use crate::guest_toolchain::GuestToolchain;
use crate::language_toolchains;
use crate::process::{cargo, execute, read, say, succeeds, workspace_root};
use crate::wkg;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Take the distribution's packages even where rustup could add the target
    #[arg(long)]
    distribution: bool,

    /// Build wkg too, for the test that exchanges projects with it: that takes minutes
    #[arg(long)]
    wkg: bool,
}

/// Everything that a test may ask of the machine.
pub(crate) fn run(options: &Options) -> Result<GuestToolchain> {
    let toolchain = for_rust(options)?;
    language_toolchains::install()?;
    Ok(toolchain)
}

/// What compiles guests in Rust: enough for the quickstart and the benches.
pub(crate) fn for_rust(options: &Options) -> Result<GuestToolchain> {
    let toolchain = GuestToolchain::install(options.distribution)?;
    say(&format!("guests are compiled by {toolchain}"));
    install_postgres()?;
    fetch_packages()?;
    if options.wkg {
        wkg::install()?;
    }
    foreign_programs::install()?;
    Ok(toolchain)
}

/// Installs the server that tests of `wasmcloud-postgres` start for themselves. Debian keeps its programs off the path.
fn install_postgres() -> Result<()> {
    let versions = fs_err::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    if folders.iter().any(|folder| folder.join("initdb").is_file()) {
        return Ok(());
    }
    let debian = succeeds(Command::new("apt-get").arg("--version"));
    let root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(debian && root) {
        say("tests of PostgreSQL need its server: install it, so that `initdb` and `postgres` are on PATH");
        return Ok(());
    }
    let mut apt = Command::new("apt-get");
    execute(apt.env("DEBIAN_FRONTEND", "noninteractive").args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    execute(apt.arg("postgresql"))
}

/// Downloads the packages that guests depend on, so that tests can compile them without a network.
fn fetch_packages() -> Result<()> {
    for folder in ["templates", "libs/wash-runtime/tests/guests"] {
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
