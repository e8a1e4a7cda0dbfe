//! Projects to measure with: the template, and one whose build does nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use crate::guest_toolchain::GuestToolchain;
use crate::process::workspace_root;

const GREETING: &str = "Hello from wasmCloud!";

const PARTS: [&str; 5] = ["Cargo.lock", "Cargo.toml", ".wash", "src", "wit"];

/// A copy of the template, which cargo builds.
pub(super) struct Template {
    pub(super) root: PathBuf,
    source: String,
    toolchain: GuestToolchain,
}

impl Template {
    pub(super) fn copy(bench: &Bench, name: &str) -> Result<Self> {
        let (from, root) = (workspace_root().join("templates/http-hello-world"), bench.folder(name));
        fs_err::create_dir_all(&root)?;
        for part in PARTS {
            copy(&from.join(part), &root.join(part))?;
        }
        let source = fs_err::read_to_string(root.join("src/lib.rs"))?;
        Ok(Self { root, source, toolchain: GuestToolchain::install(false)? })
    }

    /// Lets a program build it, too.
    pub(super) fn apply_toolchain(&self, command: &mut Command) {
        self.toolchain.apply(command);
    }

    /// Writes another version of the source: another text, and code that no other version has.
    pub(super) fn save(&self, version: u32) -> Result<()> {
        let greeting = format!("\"Hello from version {version:05}!\\n\"");
        let code = format!(
            "format!(\"{{}} {{:?}}\", {greeting}, (0..{version}_u64).map(|x| x * {version}).collect::<Vec<_>>().len())"
        );
        let source = self.source.replace(&format!("\"{GREETING}\\n\""), &code);
        ensure!(source != self.source, "the template's greeting has changed");
        Ok(fs_err::write(self.root.join("src/lib.rs"), source)?)
    }

    /// The command that its configuration names, by itself.
    pub(super) fn build(&self) -> Result<()> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--target", "wasm32-wasip2", "--release", "--quiet", "--offline"]).current_dir(&self.root);
        self.toolchain.apply(&mut cargo);
        let status = cargo.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "cargo failed: {status}");
        Ok(())
    }

    pub(super) fn component(&self) -> PathBuf {
        self.root.join("target/wasm32-wasip2/release/http_hello_world.wasm")
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs_err::copy(from, to)?;
        return Ok(());
    }
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A project whose component somebody else writes.
pub(super) fn without_build(bench: &Bench, name: &str, component: &Path) -> Result<PathBuf> {
    let root = bench.folder(name);
    fs_err::create_dir_all(root.join(".wash"))?;
    fs_err::create_dir_all(root.join("target"))?;
    fs_err::copy(component, artifact(&root))?;
    fs_err::write(
        root.join(".wash/config.yaml"),
        "build:\n  command: 'touch target/app.wasm'\n  component_path: target/app.wasm\n",
    )?;
    Ok(root)
}

/// Where that project's component is.
pub(super) fn artifact(root: &Path) -> PathBuf {
    root.join("target/app.wasm")
}

/// A component with another text of the same length in its data.
pub(super) fn with_text(component: &[u8], version: u32) -> Result<Vec<u8>> {
    let text = format!("Hello, version {version:05}!");
    let text = &text.as_bytes()[..GREETING.len()];
    let at = component.windows(GREETING.len()).position(|window| window == GREETING.as_bytes());
    let at = at.context("the component has no greeting")?;
    let mut changed = component.to_vec();
    changed[at..at + text.len()].copy_from_slice(text);
    Ok(changed)
}
