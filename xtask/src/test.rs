//! Runs every test, with nextest where it is installed.

use anyhow::Result;

use crate::process::{cargo, execute, succeeds};
use crate::{guest_toolchain, setup};

/// Sets up, then runs all tests.
pub(crate) fn run() -> Result<()> {
    let toolchain = setup::run(&setup::Options::default())?;
    // Journeys run the binaries of other packages, which cargo builds only when asked. With the tests, because binaries
    // alone resolve the features of dependencies another way and would have most of them compiled twice.
    execute(&mut cargo(["build", "--workspace", "--all-targets"]))?;
    let nextest = succeeds(&mut cargo(["nextest", "--version"]));
    let mut tests = if nextest {
        cargo(["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        cargo(["test", "--workspace", "--all-targets", "--no-fail-fast"])
    };
    if let guest_toolchain::GuestToolchain::Named(name) = &toolchain {
        tests.env(guest_toolchain::VARIABLE, name);
    }
    execute(&mut tests)?;
    execute(&mut cargo(["test", "--workspace", "--doc", "--quiet"]))
}
