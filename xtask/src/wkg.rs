//! wkg, from crates.io: the peer of `wash wit` in benches and in the test of exchanged projects.
//!
//! It takes minutes to build, so that set-up builds it only when asked (`cargo xtask setup --wkg`); the bench does it
//! itself.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, execute, target_folder};

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
        let mut install =
            cargo(["install", "wkg", "--locked", "--no-default-features", "--debug", "--version", VERSION]);
        // Optimised like a release, but without what makes that slow to build.
        install.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3").env("CARGO_PROFILE_DEV_DEBUG", "0");
        execute(install.arg("--root").arg(folder()))?;
    }
    Ok(program)
}
