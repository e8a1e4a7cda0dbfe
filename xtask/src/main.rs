//! `cargo xtask`: the tasks of a developer and of CI.
//!
//! Starts within seconds on a fresh machine, so it links none of the tools: it builds and runs them.

mod bench;
mod ci;
mod foreign_programs;
mod generate;
mod guest_toolchain;
mod language_toolchains;
mod process;
mod quickstart;
mod schemas;
mod setup;
mod size;
mod test;
mod wkg;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests and the quickstart need: the compilation target `wasm32-wasip2`, the guests' packages,
    /// the toolchains for guests in JavaScript and Python, and wkg
    Setup(setup::Options),
    /// Set up, then run every test
    Test,
    /// Set up, build the tools, scaffold a component, build it, and serve it on 127.0.0.1:8000 until Ctrl-C
    Quickstart(quickstart::Options),
    /// Everything that CI checks: format, lints, tests, generated files, quickstart
    Ci,
    /// Print the stripped release size of each binary
    Size,
    /// Write the man pages, the shell completions and the schemas of JSON results
    Generate(generate::Options),
    /// Measure, side by side with a peer
    Bench(bench::Options),
}

fn main() -> Result<()> {
    match Xtask::parse().task {
        Task::Setup(options) => setup::run(&options).map(drop),
        Task::Test => test::run(),
        Task::Quickstart(options) => quickstart::run(&options),
        Task::Ci => ci::run(),
        Task::Size => size::run(),
        Task::Generate(options) => generate::run(&options),
        Task::Bench(options) => bench::run(&options),
    }
}
