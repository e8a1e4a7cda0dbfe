//! `wash-host run` beside `wasmtime serve`: speed, memory, and what is left of both when a guest misbehaves.
//!
//! The two take turns within one run, in the order A B B A, so that a machine that gets slower slows both. A row that
//! cannot be measured says so and does not stop the others.

mod client;
mod latency;
mod machine;
mod memory;
mod neighbour;
mod open_loop;
mod programs;
mod report;
mod requests;
mod server;
mod sleepers;
mod spinners;
mod start;
mod workloads;
pub(super) mod wrk;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use tempfile::TempDir;

pub(super) use self::programs::{build_guest, given};

use self::machine::Usage;
use self::programs::{Guests, Programs};
use self::report::Section;
use crate::process::{print, say};

#[derive(Args)]
pub(crate) struct Options {
    /// How many times each side is measured
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long a measurement lasts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROW")]
    only: Vec<Row>,
    /// How many workloads the row `workloads` registers
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(200..=1_000_000))]
    workloads: u32,
    /// This `wash-host` instead of a release build of the workspace
    #[arg(long, value_name = "PATH")]
    wash_host: Option<PathBuf>,
    /// This `wasmtime` instead of one from crates.io, which is compiled once
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Row {
    /// Requests per second and processor time per request at 32 connections, with and without reuse of instances
    Requests,
    /// How long answers take at half the rate that the slowest peer can do
    Latency,
    /// 1,000 requests at once to a guest that sleeps a second
    Sleepers,
    /// Requests that spin for ever, and what others notice of them
    Spinners,
    /// From the start of the process to the first answer
    Start,
    /// What an idle host holds
    Memory,
    /// Thousands of workloads, one touched at a time
    Workloads,
    /// The throughput of a workload while another one spins
    Neighbour,
}

/// What the rows measure with.
struct Bench {
    programs: Programs,
    guests: Guests,
    scratch: TempDir,
    rounds: u32,
    duration: Duration,
    workloads: u32,
    /// Requests per second of the slowest peer, once they are known.
    slowest_peer: Option<f64>,
}

impl Row {
    fn measure(self, bench: &mut Bench) -> Result<Vec<Section>> {
        match self {
            Self::Requests => requests::measure(bench),
            Self::Latency => latency::measure(bench),
            Self::Sleepers => sleepers::measure(bench),
            Self::Spinners => spinners::measure(bench),
            Self::Start => start::measure(bench),
            Self::Memory => memory::measure(bench),
            Self::Workloads => workloads::measure(bench),
            Self::Neighbour => neighbour::measure(bench),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Bench {
    /// The order in which so many sides take their turns: there and back again.
    fn turns(&self, sides: usize) -> Vec<usize> {
        self.turns_of(self.rounds, sides)
    }

    /// The same for a row whose rounds say little new after the second one.
    fn few_turns(&self, sides: usize) -> Vec<usize> {
        self.turns_of(self.rounds.min(2), sides)
    }

    fn turns_of(&self, rounds: u32, sides: usize) -> Vec<usize> {
        let there: Vec<usize> = (0..sides).collect();
        let back: Vec<usize> = there.iter().rev().copied().collect();
        (0..rounds).flat_map(|round| if round.is_multiple_of(2) { there.clone() } else { back.clone() }).collect()
    }
}

/// Measures and prints a table per row, then all goals and whether they were met.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "this bench reads /proc: it runs on Linux alone");
    wrk::check()?;
    let scratch = tempfile::Builder::new().prefix("wash-bench-").tempdir()?;
    let mut bench = Bench {
        programs: Programs::find(options.wash_host.as_deref(), options.wasmtime.as_deref(), scratch.path())?,
        guests: Guests::build()?,
        scratch,
        rounds: options.rounds,
        duration: Duration::from_secs(options.seconds),
        workloads: options.workloads,
        slowest_peer: None,
    };
    print("## The machine and both sides\n");
    machine::describe()?.iter().chain(&bench.programs.describe()?).for_each(|line| print(&format!("- {line}")));
    print(&format!("- {} rounds, {} s per measurement, in the order A B B A", options.rounds, options.seconds));
    let rows = if options.only.is_empty() { Row::value_variants() } else { &options.only };
    let mut verdicts = Vec::new();
    for row in rows {
        say(&format!("measuring `{}`", row.name()));
        let before = Usage::now()?;
        match row.measure(&mut bench) {
            Ok(sections) => {
                sections.iter().for_each(Section::print);
                verdicts.extend(sections.into_iter().flat_map(|section| section.verdicts));
            }
            Err(err) => print(&format!("\n## {}\n\nnot measured: {err:#}", row.name())),
        }
        print(&format!("\n`{}`: {}", row.name(), before.until_now()?));
    }
    report::print_verdicts(&verdicts);
    Ok(())
}
