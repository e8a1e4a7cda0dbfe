//! wkg, from crates.io: the peer of `wash wit` and `wash oci` in benches, and of tests that exchange projects and artifacts
//! with it. It takes some minutes to build, once.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, execute, say, target_folder};

/// The version whose formats `wash wit` shares.
const VERSION: &str = "0.16.1";

/// Where tests find it: in `foreign-wkg` in the target folder.
fn folder() -> PathBuf {
    target_folder().join("foreign-wkg")
}

/// Builds it unless it is there, and returns its path.
pub(crate) fn install() -> Result<PathBuf> {
    let program = folder().join("bin/wkg");
    if !program.is_file() {
        say("compiling wkg from crates.io, once: some minutes");
        let mut install =
            cargo(["install", "wkg", "--locked", "--no-default-features", "--debug", "--version", VERSION]);
        // Optimised like a release, but without what makes that slow to build.
        install.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3").env("CARGO_PROFILE_DEV_DEBUG", "0");
        execute(install.arg("--root").arg(folder()))?;
    }
    Ok(program)
}
