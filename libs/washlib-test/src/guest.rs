//! Builds real components from Rust projects for tests.
//!
//! It panics where something is wrong, as a test would: there is nobody to hand an error to.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds the project for `wasm32-wasip2` in release mode and returns the component's path.
///
/// All projects share the folder `guests` in the workspace's target folder, so dependencies are built once.
/// `WASH_GUEST_TOOLCHAIN` names the rustup toolchain to use where the default one cannot build for that target.
///
/// # Panics
/// If the build fails or yields anything but one component.
pub fn build(manifest_dir: &Path) -> PathBuf {
    let manifest = manifest_dir.join("Cargo.toml");
    let mut components: Vec<PathBuf> = cargo_build(&manifest, &[]).into_iter().map(|(_, path)| path).collect();
    assert_eq!(components.len(), 1, "{} should build one component: {components:?}", manifest.display());
    components.remove(0)
}

/// Builds the project's examples for `wasm32-wasip2`, in release mode and in one go, and returns the component of each
/// by the example's name. A package can have only one library, but any number of examples that are libraries.
///
/// # Panics
/// If the build fails.
pub fn build_examples(manifest_dir: &Path) -> BTreeMap<String, PathBuf> {
    cargo_build(&manifest_dir.join("Cargo.toml"), &["--examples"]).into_iter().collect()
}

/// The names and paths of what the build leaves.
fn cargo_build(manifest: &Path, targets: &[&str]) -> Vec<(String, PathBuf)> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2"])
        .args(targets)
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", target_dir().join("guests"))
        // Flags for the tests themselves mean nothing to another target.
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .stderr(Stdio::inherit());
    if let Some(toolchain) = env::var_os("WASH_GUEST_TOOLCHAIN") {
        cargo.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    let output = cargo.output().expect("cargo should be on PATH");
    assert!(output.status.success(), "{} should build for wasm32-wasip2: {}", manifest.display(), output.status);

    let messages = String::from_utf8(output.stdout).expect("cargo's messages should be text");
    messages.lines().flat_map(|line| components(line, manifest)).collect()
}

/// The components that one of cargo's messages announces for this project, by the names of their targets.
fn components(message: &str, manifest: &Path) -> Vec<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).expect("cargo's messages should be JSON");
    if message["reason"] != "compiler-artifact" || message["manifest_path"].as_str() != manifest.to_str() {
        return Vec::new();
    }
    let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = message["target"]["name"].as_str().unwrap_or_default();
    files.filter(|file| file.ends_with(".wasm")).map(|file| (name.to_string(), PathBuf::from(file))).collect()
}

/// The target folder that the running test was built in.
fn target_dir() -> PathBuf {
    let test = env::current_exe().expect("a test should know its own path");
    let target = test.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    target.expect("tests should run from cargo's target folder").to_path_buf()
}
