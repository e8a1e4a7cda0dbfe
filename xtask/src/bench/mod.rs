//! Measurements, each side by side with its peer in one run.
//!
//! Prints figures and fails for none of them: machines differ, and noise is no failure.

mod dev;
mod front_end;
mod host;
mod inspect;
mod oci;
mod samples;
mod wit;

use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// `wash dev`: how soon a new version answers, and under load
    Dev(dev::Options),
    /// A tool through `wash` beside the tool alone
    FrontEnd(front_end::Options),
    /// `wash-host run` beside `wasmtime serve`
    Host(host::Options),
    /// `wash wit` beside wkg, which is built first; needs `docker-registry`
    Wit(wit::Options),
    /// `wash oci` beside curl, skopeo and wkg
    Oci(oci::Options),
    /// `wash-inspect` beside `wasm-tools component wit`
    Inspect(inspect::Options),
}

/// Runs one bench.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.bench {
        Bench::Dev(options) => dev::run(options),
        Bench::FrontEnd(options) => front_end::run(options),
        Bench::Host(options) => host::run(options),
        Bench::Wit(options) => wit::run(options),
        Bench::Oci(options) => oci::run(options),
        Bench::Inspect(options) => inspect::run(options),
    }
}
