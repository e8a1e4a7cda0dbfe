//! wkg, from crates.io: the peer of `wash wit` and `wash oci` in benches, and of tests that exchange projects and artifacts
//! with it.
//!
//! It takes minutes to build, once. Tests do with one that is not optimised, which takes less.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, execute, say, target_folder};

/// The version whose formats `wash wit` shares.
const VERSION: &str = "0.16.1";

/// Builds the one for tests unless it is there. They find it in `foreign-wkg` in the target folder.
pub(crate) fn for_tests() -> Result<()> {
    install(target_folder().join("foreign-wkg"), "0").map(drop)
}

/// Builds the one for benches unless it is there, and returns its path.
pub(crate) fn for_benches() -> Result<PathBuf> {
    // Optimised like a release, but without what makes that slow to build.
    install(target_folder().join("bench/wkg"), "3")
}

fn install(folder: PathBuf, optimisation: &str) -> Result<PathBuf> {
    let program = folder.join("bin/wkg");
    if !program.is_file() {
        say("compiling wkg from crates.io, once: some minutes");
        let mut install =
            cargo(["install", "wkg", "--locked", "--no-default-features", "--debug", "--version", VERSION]);
        install.env("CARGO_PROFILE_DEV_OPT_LEVEL", optimisation).env("CARGO_PROFILE_DEV_DEBUG", "0");
        execute(install.arg("--root").arg(folder))?;
    }
    Ok(program)
}
