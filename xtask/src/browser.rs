//! Installs the browser that the page of `wash dev` is tested in.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process::{execute, read, say, succeeds};

/// Where distributions put it.
const PLACES: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromedriver"];

/// Installs Chromium from Debian's packages, if it is not there. Elsewhere the tests that need it say so and pass.
pub(crate) fn install() -> Result<()> {
    if PLACES.iter().all(|place| Path::new(place).exists()) {
        return Ok(());
    }
    let debian = succeeds(Command::new("apt-get").arg("--version"));
    let root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(debian && root) {
        say(
            "no Chromium: the page of `wash dev` is not tested in a browser (install it, or run this as root on Debian)",
        );
        return Ok(());
    }
    say("installing Chromium from the distribution's packages");
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    execute(apt.args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    execute(apt.args(["install", "-y", "-qq", "--no-install-recommends", "chromium", "chromium-driver"]))
}
