//! Installs what compiles test guests in JavaScript and Python, from their package registries into the target folder.
//!
//! Versions and hashes are pinned beside this program. What is installed is only used by tests; nothing of it ships.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{execute, read, say, target_folder, workspace_root};

/// Tells which pins a finished installation follows. It is written last.
const STAMP: &str = "installed";
const JAVASCRIPT_PINS: [&str; 2] = ["package.json", "package-lock.json"];
const OLDEST_NODE: u32 = 20;
const OLDEST_PYTHON: (u32, u32) = (3, 9);

/// Installs both, or does nothing where they are installed as pinned.
pub(crate) fn install() -> Result<()> {
    javascript()?;
    install_as_pinned("python", &["requirements.txt"], install_python)
}

/// Installs that for JavaScript, and says where it is.
pub(crate) fn javascript() -> Result<PathBuf> {
    install_as_pinned("javascript", &JAVASCRIPT_PINS, install_javascript)?;
    Ok(folder("javascript"))
}

fn install_as_pinned(name: &str, pins: &[&str], install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let source = workspace_root().join("xtask/guest-toolchains").join(name);
    let folder = folder(name);
    let mut pinned = String::new();
    for file in pins {
        pinned += &fs_err::read_to_string(source.join(file))?;
    }
    if fs_err::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == pinned) {
        return Ok(());
    }
    say(&format!("installing the toolchain for guests in {name}"));
    // What an interrupted installation left has no stamp.
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::create_dir_all(&folder)?;
    for file in pins {
        fs_err::copy(source.join(file), folder.join(file))?;
    }
    install(&folder)?;
    fs_err::write(folder.join(STAMP), pinned)?;
    Ok(())
}

/// Where tests look for it: `washlib_test::guest` knows the same names.
fn folder(name: &str) -> PathBuf {
    target_folder().join("guest-toolchains").join(name)
}

fn install_javascript(folder: &Path) -> Result<()> {
    let version = read(Command::new("node").arg("--version")).context("guests in JavaScript need Node.js and npm")?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= OLDEST_NODE),
        "guests in JavaScript need Node.js {OLDEST_NODE} or newer, and this is {}",
        version.trim()
    );
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    execute(&mut npm).context("npm's registry did not give the packages that guests in JavaScript need")
}

fn install_python(folder: &Path) -> Result<()> {
    let question = "import sys; print(*sys.version_info[:2])";
    let version = read(Command::new("python3").args(["-c", question])).context("guests in Python need Python 3")?;
    let numbers: Vec<u32> = version.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    ensure!(
        matches!(numbers[..], [major, minor] if (major, minor) >= OLDEST_PYTHON),
        "guests in Python need Python {}.{} or newer, and this is {}",
        OLDEST_PYTHON.0,
        OLDEST_PYTHON.1,
        version.trim().replace(' ', ".")
    );
    let mut pip = Command::new("python3");
    pip.current_dir(folder).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    // A folder of its own, so that no environment of the machine is touched.
    pip.args(["--require-hashes", "--only-binary", ":all:", "--no-deps", "--requirement", "requirements.txt"]);
    pip.args(["--target", "packages"]).env("PIP_ROOT_USER_ACTION", "ignore");
    execute(&mut pip).context("PyPI did not give the packages that guests in Python need (or Python lacks pip)")
}
