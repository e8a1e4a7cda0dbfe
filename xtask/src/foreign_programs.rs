//! Programs of others that tests use, from the distribution and from PyPI.
//!
//! Nothing is replaced: what is there already is taken as it is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{execute, read, say, succeeds, target_folder};

/// Programs and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 8] = [
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    // The registry that everybody else's clients were tried with.
    ("docker-registry", "docker-registry"),
    // The server that tests of PostgreSQL start for themselves, and what makes its folder.
    ("initdb", "postgresql"),
    ("nats-server", "nats-server"),
    ("redis-server", "redis-server"),
    ("skopeo", "skopeo"),
];

/// Packages whose service may be started at once. It would keep its port from the tests and from the user.
const SERVICES: [&str; 4] = ["docker-registry", "nats-server", "postgresql", "redis-server"];

/// Says by its exit code whether a program is there; Debian keeps PostgreSQL's off the path.
const FIND: &str = r#"PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)"; command -v "$0""#;

/// Python packages, which tests find in `foreign-python` in the target folder.
const PYTHON_PACKAGES: [&str; 1] = ["oras==0.2.43"];

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    install_programs()?;
    install_python_packages()
}

fn install_programs() -> Result<()> {
    let is_missing = |program: &str| !succeeds(Command::new("sh").args(["-c", FIND, program]));
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(program, _)| is_missing(program)).map(|(_, of)| *of).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_debian = succeeds(Command::new("apt-get").arg("--version"));
    let is_root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(is_debian && is_root) {
        bail!("tests need {}: install them, or run this as root on Debian", missing.join(", "));
    }
    execute(apt().args(["update", "-qq"]))?;
    execute(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing))?;
    for service in SERVICES.into_iter().filter(|service| missing.contains(service)) {
        if succeeds(Command::new("systemctl").args(["is-active", service])) {
            execute(Command::new("systemctl").args(["disable", "--now", service]))?;
        } else if succeeds(Command::new("service").args([service, "status"])) {
            execute(Command::new("service").args([service, "stop"]))?;
        }
    }
    Ok(())
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn install_python_packages() -> Result<()> {
    let folder = python_folder();
    let marker = folder.join(".packages");
    let wanted = PYTHON_PACKAGES.join("\n");
    if fs_err::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say("installing Python packages for the tests");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&folder).args(PYTHON_PACKAGES);
    execute(&mut pip)?;
    fs_err::write(marker, wanted)?;
    Ok(())
}

fn python_folder() -> PathBuf {
    target_folder().join("foreign-python")
}
