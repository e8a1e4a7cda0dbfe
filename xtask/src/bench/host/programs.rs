//! The programs that are compared, the guests they run, and how each program is called.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::guest_toolchain::GuestToolchain;
use crate::process::{cargo, execute, read, say, target_folder, workspace_root};
use crate::setup;

/// The peer's release: the one of the library that `wash-host` contains.
const WASMTIME_VERSION: &str = "48.0.8";
/// What makes the peer's fresh instances cheapest.
pub(super) const POOL_FLAGS: &str =
    "pooling-memory-keep-resident=524288,pooling-table-keep-resident=65536,pooling-pagemap-scan=y";

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    WashHost,
    WasmtimeServe,
}

/// A program with the flags that a row gives it.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) side: Side,
    flags: Vec<String>,
}

impl Contender {
    pub(super) fn ours(name: &'static str, flags: &[&str]) -> Self {
        Self { name, side: Side::WashHost, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    pub(super) fn serve(name: &'static str, flags: &[&str]) -> Self {
        Self { name, side: Side::WasmtimeServe, ..Self::ours(name, flags) }
    }
}

/// Where the programs are, and where they keep compiled code.
pub(super) struct Programs {
    wash_host: PathBuf,
    pub(super) wasmtime: PathBuf,
    scratch: PathBuf,
}

impl Programs {
    /// Builds or installs what is not given. `scratch` gets the compiled code of both.
    pub(super) fn find(wash_host: Option<&Path>, wasmtime: Option<&Path>, scratch: &Path) -> Result<Self> {
        let wasmtime = match wasmtime {
            Some(path) => given(path)?,
            None => install_wasmtime()?,
        };
        let wash_host = match wash_host {
            Some(path) => given(path)?,
            None => {
                // All of them, as they are shipped: a part of the workspace would be compiled with other features.
                execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
                target_folder().join("release/wash-host")
            }
        };
        Ok(Self { wash_host, wasmtime, scratch: scratch.to_owned() })
    }

    /// How to start a side on an address. The source is a component, or for ours a file of documents.
    pub(super) fn command(&self, contender: &Contender, source: &Path, address: SocketAddr) -> Command {
        let address = address.to_string();
        let mut command = match contender.side {
            Side::WashHost => {
                let mut command = self.plain(&self.wash_host);
                command.args(["run", "-o", "json", "--http-addr", &address]).arg("--cache-dir").arg(self.code_cache());
                command
            }
            Side::WasmtimeServe => {
                let mut command = self.plain(&self.wasmtime);
                command.args(["serve", "-S", "cli", "-C", "cache=y", "--addr", &address]);
                command
            }
        };
        command.args(&contender.flags).arg(source);
        command
    }

    /// A program that finds neither settings nor caches of the user, and sends no telemetry.
    pub(super) fn plain(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.scratch);
        for (name, folder) in [("HOME", "home"), ("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config")] {
            command.env(name, self.scratch.join(folder));
        }
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["OTEL_", "WASH_", "WASMTIME_", "RUST_", "TOKIO_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
    }

    /// What is on and off on both sides.
    pub(super) fn describe(&self) -> Result<Vec<String>> {
        let version = |program: &Path| read(Command::new(program).arg("--version")).map(|text| text.trim().to_owned());
        let size = |program: &Path| fs_err::metadata(program).map(|metadata| metadata.len().div_ceil(1000));
        let (ours, peer) = (&self.wash_host, &self.wasmtime);
        Ok(vec![
            format!("{}, {} kB, with the wasmtime library {}", version(ours)?, size(ours)?, locked_wasmtime()?),
            format!("the peer: {}, {} kB", version(peer)?, size(peer)?),
            "wash-host: epochs on (10 ms), so a guest that computes lets others run; fresh instance per request unless \
             a row says reuse; memory reset `auto`: the host's own memories, overwritten where PAGEMAP_SCAN finds pages \
             that are present or swapped; compiled code cached; a thread per processor"
                .to_owned(),
            "wasmtime serve: epochs off unless a row gives `-W timeout`; fresh instance per request unless a row says \
             reuse; memory reset: all of it is given back to the system, unless a row says pool flags; compiled code \
             cached; one runtime with a thread per processor"
                .to_owned(),
            format!("pool flags: `-O {POOL_FLAGS}`"),
            "off on both sides: telemetry, log records below warnings, TLS; no thread is pinned to a processor".to_owned(),
        ])
    }

    /// Says so if our side has kept no compiled code so far, because figures that rely on it then mean nothing.
    pub(super) fn missing_cache(&self) -> Option<&'static str> {
        let kept = fs_err::read_dir(self.code_cache()).is_ok_and(|mut entries| entries.next().is_some());
        (!kept).then_some("wash-host HAS KEPT NO COMPILED CODE: it compiled at each start.")
    }

    fn code_cache(&self) -> PathBuf {
        self.scratch.join("code")
    }
}

/// The components that both sides run: the very same bytes.
pub(super) struct Guests {
    /// Answers every request with a short greeting.
    pub(super) hello: PathBuf,
    /// Sleeps, spins and more, by the request's path.
    pub(super) probe: PathBuf,
}

impl Guests {
    pub(super) fn build() -> Result<Self> {
        let toolchain = setup::for_rust(&setup::Options::default())?;
        Ok(Self {
            hello: build_guest(&toolchain, "templates/http-hello-world", "http_hello_world.wasm")?,
            probe: build_guest(&toolchain, "libs/wash-runtime/tests/guests/probe", "probe.wasm")?,
        })
    }
}

/// Builds where tests build theirs, so that dependencies are compiled once.
pub(crate) fn build_guest(toolchain: &GuestToolchain, project: &str, file: &str) -> Result<PathBuf> {
    let folder = target_folder().join("guests");
    let mut command = cargo(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2"]);
    command.arg("--manifest-path").arg(workspace_root().join(project).join("Cargo.toml"));
    command.env("CARGO_TARGET_DIR", &folder);
    // Flags for programs of this machine mean nothing to another target.
    for name in ["CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    toolchain.apply(&mut command);
    execute(&mut command)?;
    given(&folder.join("wasm32-wasip2/release").join(file))
}

fn install_wasmtime() -> Result<PathBuf> {
    let root = target_folder().join("bench/wasmtime");
    let program = root.join("bin/wasmtime");
    let installed = program.is_file()
        && read(Command::new(&program).arg("--version")).is_ok_and(|text| text.contains(WASMTIME_VERSION));
    if !installed {
        say("compiling the peer from crates.io, once: about ten minutes");
        let arguments = ["install", "wasmtime-cli", "--version", WASMTIME_VERSION, "--locked", "--force", "--root"];
        execute(cargo(arguments).arg(&root))?;
    }
    Ok(program)
}

/// The version of the library that the workspace locks.
fn locked_wasmtime() -> Result<String> {
    let lock = fs_err::read_to_string(workspace_root().join("Cargo.lock"))?;
    let entry = lock.split("[[package]]").find(|entry| entry.lines().any(|line| line == "name = \"wasmtime\""));
    let version = entry.and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")));
    Ok(version.context("Cargo.lock has no wasmtime")?.trim_matches('"').to_owned())
}

/// A file that a person or a build named, as absolute path: programs run in another folder.
pub(crate) fn given(path: &Path) -> Result<PathBuf> {
    let path = fs_err::canonicalize(path)?;
    ensure!(path.is_file(), "{} is no file", path.display());
    Ok(path)
}
