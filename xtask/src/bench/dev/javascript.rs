//! Two builds of a guest in JavaScript, which differ by a text of their script.
//!
//! Made once by the toolchain that the set-up installs, and kept in the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::language_toolchains;
use crate::process::{execute, target_folder, workspace_root};

/// The version of WASI that the engine takes requests in, and the one that the toolchain has all definitions of. They are
/// the same in both.
const WASI_VERSIONS: [&str; 2] = ["0.2.10", "0.2.12"];

/// What the guest answers to `GET /`.
const GREETING: &str = "hello from JavaScript";

const GREETINGS: [&str; 2] = ["hello from one build", "hello from another build"];

/// The components.
pub(super) fn builds() -> Result<Vec<PathBuf>> {
    let toolchain = language_toolchains::javascript()?;
    let guest = workspace_root().join("libs/wash-runtime/tests/guests/javascript");
    let script = fs_err::read_to_string(guest.join("app.js"))?;
    ensure!(script.contains(GREETING), "the guest's greeting has changed");
    let folder = target_folder().join("bench/dev-javascript");
    GREETINGS.iter().map(|greeting| build(&folder, &toolchain, &guest, &script.replace(GREETING, greeting))).collect()
}

fn build(folder: &Path, toolchain: &Path, guest: &Path, script: &str) -> Result<PathBuf> {
    let greeting = GREETINGS.iter().position(|greeting| script.contains(greeting)).context("a greeting")?;
    let project = folder.join(greeting.to_string());
    let (source, component) = (project.join("app.js"), project.join("app.wasm"));
    if component.is_file() && fs_err::read_to_string(&source).is_ok_and(|built| built == script) {
        return Ok(component);
    }
    if project.exists() {
        fs_err::remove_dir_all(&project)?;
    }
    let deps = project.join("wit/deps");
    fs_err::create_dir_all(&deps)?;
    for (from, to) in [("build.mjs", "build.mjs"), ("world.wit", "wit/world.wit")] {
        fs_err::copy(guest.join(from), project.join(to))?;
    }
    let [wanted, there] = WASI_VERSIONS;
    for package in fs_err::read_dir(toolchain.join("node_modules/@bytecodealliance/jco/lib/wit/builtin").join(there))? {
        let package = package?;
        let name = package.file_name().to_string_lossy().into_owned();
        let text = fs_err::read_to_string(package.path().join("package.wit"))?;
        fs_err::write(deps.join(format!("{name}.wit")), text.replace(there, wanted))?;
    }
    // The order matters: the source stands beside a component only when that is its own.
    let draft = project.join("draft.wasm");
    fs_err::write(&source, script)?;
    let mut node = Command::new("node");
    node.current_dir(&project).arg("build.mjs").arg(toolchain).arg(project.join("wit")).arg(&draft);
    execute(&mut node)?;
    fs_err::rename(&draft, &component)?;
    Ok(component)
}
