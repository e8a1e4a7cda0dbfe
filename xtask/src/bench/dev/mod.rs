//! `wash dev`: how soon a new version answers, and whether anybody notices that it came.
//!
//! A row that cannot be measured says so and does not stop the others.

mod client;
mod javascript;
mod load;
mod project;
mod server;
mod start;
mod swap;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use tempfile::TempDir;

use super::samples::Samples;
use crate::process::{cargo, execute, print, say, target_folder};

#[derive(Args)]
pub(crate) struct Options {
    /// How many versions each row puts into service
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=200))]
    rounds: u32,
    /// How long the load of the row `load` lasts
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROW")]
    only: Vec<Row>,
    /// Two builds of a component that change places in the row `given`, such as two of a script
    #[arg(long, num_args = 2, value_names = ["ONE", "OTHER"])]
    given: Vec<PathBuf>,
    /// This `wash-dev` instead of a release build of the workspace
    #[arg(long, value_name = "PATH")]
    wash_dev: Option<PathBuf>,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Row {
    /// From the write of a component with another text to its first answer
    Text,
    /// From the write of a component with other code to its first answer
    Code,
    /// The same for two builds of a component in JavaScript, of which the script differs
    Javascript,
    /// The same for the components of `--given`
    Given,
    /// From saving `src/lib.rs` to the first answer of the new version, beside the build command alone
    Save,
    /// 50 connections while the component changes every two seconds
    Load,
    /// From the start of an up-to-date project to its first answer, beside the build command alone
    Start,
}

/// What the rows measure with.
struct Bench {
    wash_dev: PathBuf,
    scratch: TempDir,
    rounds: u32,
    duration: Duration,
    given: Vec<PathBuf>,
}

impl Row {
    fn measure(self, bench: &Bench) -> Result<()> {
        match self {
            Self::Text => swap::text(bench),
            Self::Code => swap::code(bench),
            Self::Javascript => swap::javascript(bench),
            Self::Given => swap::given(bench),
            Self::Save => swap::save(bench),
            Self::Load => load::measure(bench),
            Self::Start => start::measure(bench),
        }
    }
}

/// Measures the rows that were asked for.
pub(super) fn run(options: &Options) -> Result<()> {
    let wash_dev = match &options.wash_dev {
        Some(path) => fs_err::canonicalize(path)?,
        None => {
            // All of them, as they are shipped: a part of the workspace would be compiled with other features.
            execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
            target_folder().join("release/wash-dev")
        }
    };
    let bench = Bench {
        wash_dev,
        scratch: tempfile::tempdir()?,
        rounds: options.rounds,
        duration: Duration::from_secs(options.seconds),
        given: options.given.clone(),
    };
    for row in Row::value_variants() {
        let wanted = options.only.is_empty() || options.only.contains(row);
        if !wanted || (*row == Row::Given && options.given.is_empty()) {
            continue;
        }
        if let Err(err) = row.measure(&bench) {
            let name = row.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            say(&format!("{name} was not measured: {err:#}"));
        }
    }
    Ok(())
}

impl Bench {
    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn home(&self) -> &Path {
        self.scratch.path()
    }
}

fn print_samples(name: &str, samples: &Samples) {
    let (min, median, max) = (samples.min(), samples.median(), samples.max());
    print(&format!("{name:<52} {min:>8.1} {median:>8.1} {max:>8.1}  ms (min, median, max of {})", samples.len()));
}

/// Prints what took how long with the build command, what that takes alone, and what is left.
fn print_beside_build(all: (&str, &Samples), alone: (&str, &Samples)) {
    for (name, samples) in [all, alone] {
        print_samples(name, samples);
    }
    let difference = all.1.median() - alone.1.median();
    print(&format!("{:<52} {:>8} {difference:>8.1}  ms", "the difference of the medians", ""));
}
