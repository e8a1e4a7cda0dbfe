//! Finds or makes a Rust toolchain that compiles guests for `wasm32-wasip2`.
//!
//! `rustup target add` is the way. Where rustup's server cannot be reached, a Debian machine can still compile the
//! target's standard library from the distribution's own packages: they hold a compiler, the library's sources of the
//! same release, and a libc for WASI.

use std::env;
use std::fmt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::{execute, read, say, succeeds};

const TARGET: &str = "wasm32-wasip2";
/// The name under which rustup knows the toolchain made of the distribution's packages.
const DISTRIBUTION_TOOLCHAIN: &str = "guest";
const DISTRIBUTION_PACKAGES: [&str; 5] = ["cargo-web", "libstd-rust-web-dev", "rust-web-src", "rustc-web", "wasi-libc"];
/// Tests and the quickstart read it: which rustup toolchain compiles guests.
pub(crate) const VARIABLE: &str = "WASH_GUEST_TOOLCHAIN";

/// The toolchain that compiles guests.
pub(crate) enum GuestToolchain {
    /// The one that compiles the workspace too.
    Default,
    /// Another one that rustup knows by name.
    Named(String),
}

impl fmt::Display for GuestToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default toolchain"),
            Self::Named(name) => write!(f, "the toolchain `{name}`"),
        }
    }
}

impl GuestToolchain {
    /// Finds a toolchain that works, or installs one.
    pub(crate) fn install(from_distribution: bool) -> Result<Self> {
        if let Ok(name) = env::var(VARIABLE) {
            ensure!(works(Some(&name)), "{VARIABLE} names the toolchain `{name}`, which lacks the target {TARGET}");
            return Ok(Self::Named(name));
        }
        if !from_distribution {
            if works(None) || (succeeds(Command::new("rustup").args(["target", "add", TARGET])) && works(None)) {
                return Ok(Self::Default);
            }
            say(&format!("rustup could not add the target {TARGET}"));
        }
        if !works(Some(DISTRIBUTION_TOOLCHAIN)) {
            build_from_distribution()?;
            ensure!(works(Some(DISTRIBUTION_TOOLCHAIN)), "the toolchain was built but lacks the target {TARGET}");
        }
        Ok(Self::Named(DISTRIBUTION_TOOLCHAIN.to_owned()))
    }

    /// Makes a program, and cargo under it, compile guests with this toolchain.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Named(name) = self {
            command.env(VARIABLE, name).env("RUSTUP_TOOLCHAIN", name);
        }
    }
}

/// Whether a toolchain has the target's standard library and its libc.
fn works(toolchain: Option<&str>) -> bool {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", TARGET]);
    if let Some(name) = toolchain {
        command.env("RUSTUP_TOOLCHAIN", name);
    }
    let Ok(folder) = read(&mut command) else { return false };
    let folder = Path::new(folder.trim());
    let has_std = fs_err::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")));
    has_std && folder.join("self-contained/libc.a").is_file()
}

fn build_from_distribution() -> Result<()> {
    let debian = succeeds(Command::new("apt-get").arg("--version"));
    let root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(debian && root) {
        bail!("run `rustup target add {TARGET}`, which needs rustup's server; or run this as root on Debian");
    }
    say("compiling the target's standard library from the distribution's packages: about two minutes");
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    execute(apt.args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    execute(apt.args(DISTRIBUTION_PACKAGES))?;
    link_wasm_linker()?;
    install_standard_library()?;
    execute(Command::new("rustup").args(["toolchain", "link", DISTRIBUTION_TOOLCHAIN, "/usr"]))
}

/// The distribution's compiler lacks the linker for components; every rustup toolchain has it.
fn link_wasm_linker() -> Result<()> {
    let sysroot = PathBuf::from(read(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
    let version = read(Command::new("/usr/bin/rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let programs = Path::new("/usr/lib/rustlib").join(host).join("bin");
    fs_err::create_dir_all(&programs)?;
    for program in ["rust-lld", "wasm-component-ld"] {
        let link = programs.join(program);
        // Points to the toolchain of today, which may not be the one of the last time.
        let _ = fs_err::remove_file(&link);
        symlink(sysroot.join("lib/rustlib").join(host).join("bin").join(program), &link)?;
    }
    Ok(())
}

/// Compiles the standard library as the dependency of an empty crate, then puts it where the compiler looks.
fn install_standard_library() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    fs_err::create_dir(scratch.path().join("src"))?;
    fs_err::write(scratch.path().join("src/lib.rs"), "#![no_std]\n")?;
    let manifest = "[package]\nname = \"sysroot\"\nversion = \"0.0.0\"\nedition = \"2021\"\n";
    fs_err::write(scratch.path().join("Cargo.toml"), manifest)?;
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .current_dir(scratch.path())
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort,proc_macro"])
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("CARGO_TARGET_DIR", scratch.path().join("target"))
        .env("RUSTC", "/usr/bin/rustc")
        // The distribution's compiler is a stable one, and building the standard library is not stable.
        .env("RUSTC_BOOTSTRAP", "1")
        // Bitcode lets a guest's release profile ask for link-time optimisation.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Cdebuginfo=0");
    execute(&mut cargo)?;

    let library = Path::new("/usr/lib/rustlib").join(TARGET).join("lib");
    let _ = fs_err::remove_dir_all(&library);
    let self_contained = library.join("self-contained");
    fs_err::create_dir_all(&self_contained)?;
    for entry in fs_err::read_dir(scratch.path().join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libsysroot-") {
            fs_err::copy(entry.path(), library.join(name))?;
        }
    }
    for file in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        fs_err::copy(Path::new("/usr/lib/wasm32-wasi").join(file), self_contained.join(file))?;
    }
    Ok(())
}
