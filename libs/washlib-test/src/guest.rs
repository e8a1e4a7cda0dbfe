//! Builds real components from projects in Rust, JavaScript and Python for tests.
//!
//! It panics where something is wrong, as a test would: there is nobody to hand an error to.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The version of WASI's definitions that are at hand.
const WASI_VERSION: &str = "0.2.12";

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

/// Builds a project in JavaScript, whose `build.mjs` gets the folders of the toolchain and of the world, and the path to
/// write.
///
/// # Panics
/// If the build fails, or `cargo xtask setup` has not installed the toolchain.
pub fn build_javascript(project: &Path) -> PathBuf {
    let toolchain = toolchain("javascript");
    // The engine takes requests in this version and in no other.
    build_once(project, &toolchain, "0.2.10", |wit, output| {
        let mut node = Command::new("node");
        node.current_dir(project).arg("build.mjs").args([&toolchain, wit, output]);
        node
    })
}

/// Builds a project in Python: the module `app` for the world `guest`.
///
/// # Panics
/// If the build fails, or `cargo xtask setup` has not installed the toolchains.
pub fn build_python(project: &Path) -> PathBuf {
    let toolchain = toolchain("python");
    build_once(project, &toolchain, WASI_VERSION, |wit, output| {
        let mut python = Command::new("python3");
        python.current_dir(project).env("PYTHONPATH", toolchain.join("packages")).env("PYTHONDONTWRITEBYTECODE", "1");
        python.args(["-c", "import sys; from componentize_py import script; sys.exit(script())", "--quiet", "-d"]);
        python.arg(wit).args(["-w", "guest", "componentize", "app", "-o"]).arg(output);
        python
    })
}

/// The folder of a toolchain that the set-up has installed.
fn toolchain(name: &str) -> PathBuf {
    let folder = target_dir().join("guest-toolchains").join(name);
    assert!(
        folder.join("installed").is_file(),
        "{name} guests need `cargo xtask setup`: nothing in {}",
        folder.display()
    );
    folder
}

/// Builds a project unless the component in the target folder is that of the same files by the same toolchain.
/// The command gets the folder with the project's `world.wit` and WASI of that version, and the path to write.
fn build_once(
    project: &Path,
    toolchain: &Path,
    wasi_version: &str,
    command: impl FnOnce(&Path, &Path) -> Command,
) -> PathBuf {
    let name = project.file_name().expect("a project's folder has a name").to_string_lossy();
    let folder = target_dir().join("guests");
    fs::create_dir_all(&folder).expect("a folder in the target folder");
    let (component, inputs) = (folder.join(format!("{name}.wasm")), folder.join(format!("{name}.inputs")));
    // Tests run in processes of their own, and one of them builds.
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("a file in the target folder");
    lock.lock().expect("a lock");
    let wanted = [content(&toolchain.join("installed")), contents(project)].concat();
    if component.is_file() && fs::read(&inputs).is_ok_and(|built| built == wanted) {
        return component;
    }
    // The order matters: inputs stand beside a component only when it is theirs.
    _ = fs::remove_file(&inputs);
    let wit = TempDir::new().expect("a temporary folder");
    write_wit(project, wasi_version, wit.path());
    let status = command(wit.path(), &component).status().unwrap_or_else(|err| panic!("{name}: {err}"));
    assert!(status.success(), "{} should build: {status}", project.display());
    fs::write(&inputs, wanted).expect("a file in the target folder");
    component
}

/// JavaScript's toolchain comes with WASI's definitions in one version; they are the same in the others.
fn write_wit(project: &Path, wasi_version: &str, folder: &Path) {
    fs::copy(project.join("world.wit"), folder.join("world.wit")).expect("the project's world");
    fs::create_dir(folder.join("deps")).expect("a folder in the temporary folder");
    let definitions =
        toolchain("javascript").join("node_modules/@bytecodealliance/jco/lib/wit/builtin").join(WASI_VERSION);
    for package in fs::read_dir(&definitions).unwrap_or_else(|err| panic!("{}: {err}", definitions.display())) {
        let package = package.expect("an entry").path();
        let text = fs::read_to_string(package.join("package.wit")).expect("a package's definitions");
        let name = package.file_name().expect("a package's name").to_string_lossy();
        fs::write(folder.join(format!("deps/{name}.wit")), text.replace(WASI_VERSION, wasi_version)).expect("a file");
    }
}

/// All files of a folder, with their names.
fn contents(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let named = |path: &PathBuf| [format!("{}\n", path.display()).into_bytes(), content(path)].concat();
    paths.iter().flat_map(named).collect()
}

fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// The target folder that the running test was built in.
pub(crate) fn target_dir() -> PathBuf {
    let test = env::current_exe().expect("a test should know its own path");
    let target = test.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    target.expect("tests should run from cargo's target folder").to_path_buf()
}
