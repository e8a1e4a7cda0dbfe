//! `wash wit` beside wkg: nothing to do, a cold fetch, an addition with a warm cache.
//!
//! Both get the same world of twelve packages, the same registry on loopback and projects of their own; they take turns.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fs_err as fs;

use super::samples::Samples;
use crate::process::{cargo, execute, print, read, say, target_folder, workspace_root};
use crate::wkg;

/// The packages that are neither WASI 0.2 itself nor depend on it; each is a folder of the runtime's own WIT.
const OTHERS: [&str; 5] =
    ["wasi-config", "wasi-logging", "wasi-keyvalue", "wasi-keyvalue-draft2", "wasmcloud-messaging"];

#[derive(Args)]
pub(crate) struct Options {
    /// How many times each side runs
    #[arg(long, default_value_t = 31)]
    rounds: usize,
}

/// A package to publish: its name, its version, an interface of it, and its text.
struct Package {
    name: String,
    version: String,
    interface: String,
    text: String,
}

/// Times both sides and prints what they took.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wkg = wkg::for_benches()?;
    execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    let wash_wit = target_folder().join("release/wash-wit");
    let folder = tempfile::tempdir()?;
    let registry = Registry::start(folder.path())?;
    let home = folder.path().join("home");
    registry.write_config(&home)?;
    let packages = packages()?;
    ensure!(packages.len() == 12, "there should be 12 packages, and there are {}", packages.len());
    publish(&wash_wit, folder.path(), &home, &packages)?;
    let ours = Side {
        program: wash_wit,
        arguments: &["fetch"],
        project: project(folder.path(), "ours", &packages)?,
        home: home.clone(),
    };
    let theirs =
        Side { program: wkg, arguments: &["fetch"], project: project(folder.path(), "theirs", &packages)?, home };
    let mut cold = [Samples::default(), Samples::default()];
    let mut warm = [Samples::default(), Samples::default()];
    let mut add = Samples::default();
    for round in 0..options.rounds {
        // In turn, so that a machine that gets slower slows both sides.
        for (index, side) in [&ours, &theirs].into_iter().enumerate() {
            side.forget()?;
            cold[index].push(side.time(side.arguments)?);
            warm[index].push(side.time(side.arguments)?);
        }
        let world = ours.project.join("wit/world.wit");
        let before = fs::read_to_string(&world)?;
        add.push(ours.time(&["add", "wasi:http/types@0.2.12"])?);
        fs::write(&world, before)?;
        if round == 0 {
            say("first round done");
        }
    }
    print(&format!(
        "{:<34} {:>9} {:>9} {:>9}",
        format!("{} rounds, milliseconds", options.rounds),
        "min",
        "median",
        "max"
    ));
    row("cold fetch, wash wit", &cold[0]);
    row("cold fetch, wkg", &cold[1]);
    row("nothing to do, wash wit", &warm[0]);
    row("nothing to do, wkg", &warm[1]);
    row("add with a warm cache, wash wit", &add);
    print(&format!("a cold fetch takes {:.2} of wkg's time (goal 0.50)", cold[0].median() / cold[1].median()));
    print(&format!("nothing to do: {:.1} ms (goal 15)", warm[0].median()));
    print(&format!("add: {:.1} ms (goal 30)", add.median()));
    Ok(())
}

fn row(name: &str, samples: &Samples) {
    print(&format!("{name:<34} {:>9.2} {:>9.2} {:>9.2}", samples.min(), samples.median(), samples.max()));
}

/// One of the two programs with its project.
struct Side {
    program: PathBuf,
    arguments: &'static [&'static str],
    project: PathBuf,
    home: PathBuf,
}

impl Side {
    fn time(&self, arguments: &[&str]) -> Result<f64> {
        let mut command = hermetic(&self.program, &self.home);
        command.args(arguments).current_dir(&self.project).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let output = command.output()?;
        let elapsed = started.elapsed();
        ensure!(
            output.status.success(),
            "{} {} failed: {}",
            self.program.display(),
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(elapsed.as_secs_f64() * 1000.0)
    }

    /// As on a machine that has never seen the project.
    fn forget(&self) -> Result<()> {
        for path in [self.project.join("wit/deps"), self.home.join(".cache")] {
            if path.exists() {
                fs::remove_dir_all(path)?;
            }
        }
        let lock = self.project.join("wkg.lock");
        if lock.exists() { Ok(fs::remove_file(lock)?) } else { Ok(()) }
    }
}

fn hermetic(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// The seven packages of WASI 0.2 as a crate of the dependency graph carries them, and five others.
fn packages() -> Result<Vec<Package>> {
    let metadata = read(&mut cargo(["metadata", "--locked", "--offline", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let crates = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let http = crates.iter().find(|package| package["name"] == "wasmtime-wasi-http");
    let manifest = http.and_then(|package| package["manifest_path"].as_str()).context("no wasmtime-wasi-http")?;
    let deps = Path::new(manifest).parent().context("a manifest in a folder")?.join("wit/deps");
    let mut texts = Vec::new();
    for entry in fs::read_dir(deps)? {
        texts.push(fs::read_to_string(entry?.path())?);
    }
    for other in OTHERS {
        let folder = workspace_root().join("libs/wash-runtime/wit").join(other);
        let mut text = String::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wit") {
                text.push_str(&fs::read_to_string(path)?);
            }
        }
        texts.push(text);
    }
    texts.into_iter().map(package).collect()
}

fn package(text: String) -> Result<Package> {
    let head = text.lines().find_map(|line| line.strip_prefix("package ")).context("a package line")?;
    let head = head.trim_end_matches([';', ' ']);
    // Two drafts of one package would be one package to wkg: the second gets a name of its own.
    let (name, version) = head.split_once('@').context("a version")?;
    let interface = text.lines().find_map(|line| line.trim().strip_prefix("interface ")).context("an interface")?;
    let interface = interface.trim_end_matches(['{', ' ']).to_owned();
    let (name, version) = (name.to_owned(), version.to_owned());
    if version.ends_with("draft2") {
        let other = format!("{name}-two");
        let text = text.replace(&name, &other);
        return Ok(Package { name: other, version, interface, text });
    }
    Ok(Package { name, version, interface, text })
}

/// Builds and publishes each package with `wash wit` itself; the others are vendored beside it.
fn publish(wash_wit: &Path, folder: &Path, home: &Path, packages: &[Package]) -> Result<()> {
    for package in packages {
        let project = folder.join("packages").join(package.name.replace(':', "-"));
        fs::create_dir_all(project.join("wit/deps"))?;
        fs::write(project.join("wkg.toml"), "")?;
        fs::write(project.join("wit/package.wit"), &package.text)?;
        for other in packages.iter().filter(|other| other.name != package.name) {
            fs::write(project.join("wit/deps").join(format!("{}.wit", other.name.replace(':', "-"))), &other.text)?;
        }
        let output = hermetic(wash_wit, home).arg("publish").current_dir(&project).output()?;
        if !output.status.success() {
            bail!("cannot publish {}: {}", package.name, String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(())
}

/// A project whose world imports an interface of each package.
fn project(folder: &Path, name: &str, packages: &[Package]) -> Result<PathBuf> {
    let project = folder.join(name);
    fs::create_dir_all(project.join("wit"))?;
    fs::create_dir_all(project.join(".wash"))?;
    fs::write(project.join(".wash/config.yaml"), "build:\n  command: 'true'\n")?;
    let mut world = "package bench:app@1.0.0;\n\nworld app {\n".to_owned();
    for package in packages {
        world.push_str(&format!("  import {}/{}@{};\n", package.name, package.interface, package.version));
    }
    world.push_str("}\n");
    fs::write(project.join("wit/world.wit"), world)?;
    Ok(project)
}

/// Debian's registry, on a free port of loopback.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let storage = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\nhttp:\n  addr: {address}\n",
            storage.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("docker-registry is not installed: run `cargo xtask setup`")?;
        let registry = Self { process, address };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&registry.address).is_err() {
            ensure!(Instant::now() < deadline, "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    fn write_config(&self, home: &Path) -> Result<()> {
        let folder = home.join(".config/wasm-pkg");
        fs::create_dir_all(&folder)?;
        let address = &self.address;
        let text = format!(
            "[namespace_registries]\nwasi = \"{address}\"\nwasmcloud = \"{address}\"\n\n\
             [registry.\"{address}\".oci]\nprotocol = \"http\"\n"
        );
        Ok(fs::write(folder.join("config.toml"), text)?)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Its files go with the temporary folder.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
