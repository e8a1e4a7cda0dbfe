//! `wash inspect` beside `wasm-tools component wit`: time, memory, and whether both print the same bytes.
//!
//! Needs Linux, npm for the JavaScript component, and a quiet machine.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::host::{build_guest, given};
use super::samples::Samples;
use crate::process::{cargo, execute, print, read, say, target_folder};
use crate::setup;

/// The release that contains the libraries which `wash-inspect` links.
const WASM_TOOLS_VERSION: &str = "1.254.2";
/// What makes a component of JavaScript.
const COMPONENTIZE_JS: &str = "@bytecodealliance/componentize-js";
/// The source of the JavaScript component.
const JAVASCRIPT: &str = "export function hello() { return 'hello'; }\n";
/// Runs the package: WIT and source in, component out.
const SCRIPT: &str = "import { componentize } from '@bytecodealliance/componentize-js';
import { readFile, writeFile } from 'node:fs/promises';
const source = await readFile('app.js', 'utf8');
const { component } = await componentize(source, { witPath: 'wit', worldName: 'app' });
await writeFile('app.wasm', component);
";
const WORLD: &str = "package bench:app;\nworld app { export hello: func() -> string; }\n";
/// How much of a program's output waits to be read: less than any component's WIT, so that the program is still there
/// when its memory is looked at.
const PIPE_SIZE: usize = 4096;

#[derive(Args)]
pub(crate) struct Options {
    /// How many times each side runs on each component
    #[arg(long, default_value_t = 100)]
    rounds: usize,

    /// The `wash-inspect` to measure instead of a release build
    #[arg(long, value_name = "FILE")]
    wash_inspect: Option<PathBuf>,

    /// The `wasm-tools` to measure instead of the one from crates.io
    #[arg(long, value_name = "FILE")]
    wasm_tools: Option<PathBuf>,

    /// More components to measure
    #[arg(value_name = "FILE")]
    components: Vec<PathBuf>,
}

/// Measures both sides on every component.
pub(crate) fn run(options: &Options) -> Result<()> {
    let ours = match &options.wash_inspect {
        Some(path) => given(path)?,
        None => {
            // All of them, as they are shipped: a part of the workspace would be compiled with other features.
            execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
            target_folder().join("release/wash-inspect")
        }
    };
    let peer = match &options.wasm_tools {
        Some(path) => given(path)?,
        None => install_wasm_tools()?,
    };
    let mut components = corpus()?;
    for path in &options.components {
        components.push(given(path)?);
    }
    for component in &components {
        measure(&ours, &peer, component, options.rounds)?;
    }
    Ok(())
}

/// The guests of this workspace, and one that npm's packages make of JavaScript.
fn corpus() -> Result<Vec<PathBuf>> {
    let toolchain = setup::for_rust(&setup::Options::default())?;
    let mut components = Vec::new();
    for (project, file) in [
        ("templates/http-hello-world", "http_hello_world.wasm"),
        ("libs/wash-runtime/tests/guests/probe", "probe.wasm"),
        ("libs/wash-runtime/tests/guests/fetcher", "fetcher.wasm"),
        ("libs/wash-runtime/tests/guests/store", "store.wasm"),
    ] {
        components.push(build_guest(&toolchain, project, file)?);
    }
    match javascript() {
        Ok(component) => components.push(component),
        Err(err) => say(&format!("without a JavaScript component: {err:#}")),
    }
    Ok(components)
}

fn javascript() -> Result<PathBuf> {
    let folder = target_folder().join("bench/javascript");
    let component = folder.join("app.wasm");
    if !component.is_file() {
        fs_err::create_dir_all(folder.join("wit"))?;
        for (name, text) in [("app.js", JAVASCRIPT), ("make.mjs", SCRIPT), ("wit/app.wit", WORLD)] {
            fs_err::write(folder.join(name), text)?;
        }
        let options = ["install", "--no-save", "--no-audit", "--no-fund", COMPONENTIZE_JS];
        execute(Command::new("npm").args(options).current_dir(&folder))?;
        execute(Command::new("node").arg("make.mjs").current_dir(&folder))?;
    }
    given(&component)
}

fn install_wasm_tools() -> Result<PathBuf> {
    let root = target_folder().join("bench/wasm-tools");
    let program = root.join("bin/wasm-tools");
    let installed = program.is_file()
        && read(Command::new(&program).arg("--version")).is_ok_and(|text| text.contains(WASM_TOOLS_VERSION));
    if !installed {
        say("compiling the peer from crates.io, once: some minutes");
        let arguments = ["install", "wasm-tools", "--version", WASM_TOOLS_VERSION, "--locked", "--force", "--root"];
        execute(cargo(arguments).arg(&root))?;
    }
    Ok(program)
}

/// One row for each side, and the goals.
fn measure(ours: &Path, peer: &Path, component: &Path, rounds: usize) -> Result<()> {
    let commands = || {
        let mut first = Command::new(ours);
        first.arg(component);
        let mut second = Command::new(peer);
        second.args(["component", "wit"]).arg(component);
        [first, second]
    };
    let [first, second] = commands().map(|mut command| command.output());
    let (first, second) = (first?, second?);
    let name = component.file_name().unwrap_or_default().to_string_lossy();
    let size = fs_err::metadata(component)?.len();
    print(&format!("\n{name}: {:.3} MB", size as f64 / 1e6));
    ensure!(first.status.success() && second.status.success(), "{name} cannot be read by both");
    print(&format!("  the same {} bytes of WIT: {}", second.stdout.len(), first.stdout == second.stdout));
    let mut times = [Samples::default(), Samples::default()];
    // In turn, so that a machine that gets slower slows both sides.
    for _ in 0..rounds {
        for (side, mut command) in commands().into_iter().enumerate() {
            times[side].push(time(&mut command)?);
        }
    }
    let memory: Vec<Option<f64>> =
        commands().iter_mut().map(peak_memory).collect::<Result<_>>().context("cannot measure memory")?;
    print(&format!("  {:<14} {:>9} {:>9} {:>9} {:>12}", "milliseconds", "min", "median", "max", "memory, MB"));
    for ((label, samples), memory) in ["wash-inspect", "wasm-tools"].iter().zip(&times).zip(&memory) {
        let memory = memory.map_or("unknown".to_owned(), |memory| format!("{memory:.1}"));
        let (min, median, max) = (samples.min(), samples.median(), samples.max());
        print(&format!("  {label:<14} {min:>9.2} {median:>9.2} {max:>9.2} {memory:>12}"));
    }
    let ratio = times[0].median() / times[1].median();
    let share = memory[0].map(|memory| format!(", {:.1} × the file in memory", memory * 1e6 / size as f64));
    print(&format!("  {ratio:.2} × the time of wasm-tools{}", share.unwrap_or_default()));
    Ok(())
}

fn time(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status()?;
    let elapsed = started.elapsed();
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(elapsed.as_secs_f64() * 1000.0)
}

/// The most memory that a program held until it printed, in MB. It is looked at while its output waits to be read;
/// `None` when all of the output fitted into the pipe and the program was gone.
fn peak_memory(command: &mut Command) -> Result<Option<f64>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let peak = wait_for_output(&mut child);
    let mut rest = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        stdout.read_to_end(&mut rest)?;
    }
    child.wait()?;
    peak
}

fn wait_for_output(child: &mut Child) -> Result<Option<f64>> {
    let stdout = child.stdout.as_ref().context("no output")?;
    rustix::pipe::fcntl_setpipe_size(stdout, PIPE_SIZE)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut last = None;
    while Instant::now() < deadline {
        // The whole pipe is full once the program waits for it to be read.
        if rustix::io::ioctl_fionread(stdout)? >= PIPE_SIZE as u64 {
            return memory(child.id());
        }
        match memory(child.id())? {
            Some(memory) => last = Some(memory),
            None => return Ok(last),
        }
        thread::sleep(Duration::from_micros(200));
    }
    bail!("no output within ten seconds")
}

/// The most that a process has held so far, in MB.
fn memory(process: u32) -> Result<Option<f64>> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map(|line| Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)).transpose()
}
