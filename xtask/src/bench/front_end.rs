//! What it costs to go through `wash` instead of calling a tool directly.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::process::{cargo, execute, print, target_folder};

#[derive(Args)]
pub(crate) struct Options {
    /// How many times each side runs
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

/// Times both sides and prints what they took.
pub(crate) fn run(options: &Options) -> Result<()> {
    let rounds = options.rounds;
    // All of them, as they are shipped: a part of the workspace would be compiled with other features.
    execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    let binaries = target_folder().join("release");
    let mut direct = Vec::new();
    let mut through = Vec::new();
    // In turn, so that a machine that gets slower slows both sides.
    for _ in 0..rounds {
        direct.push(time(&binaries.join("wash-build"), &["--version"])?);
        through.push(time(&binaries.join("wash"), &["build", "--version"])?);
    }
    print(&format!("{:<28} {:>9} {:>9} {:>9}", format!("{rounds} rounds, milliseconds"), "min", "median", "max"));
    let direct = summary("wash-build --version", direct)?;
    let through = summary("wash build --version", through)?;
    print(&format!("the front-end costs {:+.3} ms (difference of the medians)", through - direct));
    Ok(())
}

fn time(program: &Path, arguments: &[&str]) -> Result<Duration> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    let elapsed = started.elapsed();
    ensure!(status.success(), "{} failed: {status}", program.display());
    Ok(elapsed)
}

/// Prints a row and returns its median in milliseconds.
fn summary(name: &str, mut times: Vec<Duration>) -> Result<f64> {
    times.sort();
    let milliseconds = |time: Option<&Duration>| time.map(|time| time.as_secs_f64() * 1000.0).context("no rounds");
    let (min, median, max) =
        (milliseconds(times.first())?, milliseconds(times.get(times.len() / 2))?, milliseconds(times.last())?);
    print(&format!("{name:<28} {min:>9.3} {median:>9.3} {max:>9.3}"));
    Ok(median)
}
