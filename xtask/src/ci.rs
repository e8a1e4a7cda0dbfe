//! What CI checks, quickest first.

use anyhow::Result;

use crate::process::{cargo, execute};
use crate::{generate, quickstart, test};

/// Runs every check; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    execute(&mut cargo(["fmt", "--all", "--check"]))?;
    generate::run(&generate::Options::check())?;
    execute(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    test::run()?;
    quickstart::check()
}
