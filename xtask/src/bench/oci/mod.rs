//! `wash oci` beside curl, skopeo and wkg: pushing and pulling one component over loopback.
//!
//! curl moves the same bytes and does nothing else: no digest, no manifest, no configuration. It is the bound that the
//! others are held against. All take turns within a round, so that a machine that gets slower slows all.

mod crowd;
mod registry;
mod tools;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tempfile::TempDir;

use self::registry::Registry;
use self::tools::{Curl, Timed, Wash};
use super::samples::Samples;
use crate::process::{cargo, execute, print, say, succeeds, target_folder};
use crate::wkg;

#[derive(Args)]
pub(crate) struct Options {
    /// How many times each side is measured
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Megabytes of the component
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=500))]
    megabytes: u32,
    /// This `wash-oci` instead of a release build of the workspace
    #[arg(long, value_name = "PATH")]
    wash_oci: Option<PathBuf>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wash_oci = match &options.wash_oci {
        Some(path) => path.clone(),
        None => {
            execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
            target_folder().join("release/wash-oci")
        }
    };
    let scratch = tempfile::Builder::new().prefix("wash-bench-oci-").tempdir()?;
    let registry = Registry::start(scratch.path())?;
    let bench = Bench {
        wash: Wash { program: wash_oci, home: scratch.path().join("home") },
        curl: Curl,
        registry,
        wkg: wkg::for_benches()?,
        scratch,
        bytes: usize::try_from(options.megabytes)? * 1_000_000,
    };
    print(&format!("{} MB, {} rounds over loopback, milliseconds", options.megabytes, options.rounds));
    print(&format!("{:<44} {:>8} {:>8} {:>8}", "", "median", "min", "max"));
    bench.pushes(options.rounds)?;
    bench.pulls(options.rounds)?;
    bench.crowd()
}

struct Bench {
    wash: Wash,
    curl: Curl,
    registry: Registry,
    wkg: PathBuf,
    scratch: TempDir,
    bytes: usize,
}

impl Bench {
    fn pushes(&self, rounds: u32) -> Result<()> {
        let (mut curl, mut wash, mut again) = (Samples::default(), Samples::default(), Samples::default());
        let (mut skopeo, mut wkg) = (Samples::default(), Samples::default());
        let file = self.scratch.path().join("push.wasm");
        for round in 0..rounds {
            // Each side gets bytes that the registry has never seen.
            let content = tools::component(self.bytes, u64::from(round) * 8);
            fs_err::write(&file, &content)?;
            curl.push(milliseconds(self.curl.push(&self.registry, &file)?));
            fs_err::write(&file, tools::component(self.bytes, u64::from(round) * 8 + 1))?;
            let reference = self.registry.reference("bench/push:v1");
            wash.push(milliseconds(self.wash.push(&reference, &file)?));
            again.push(milliseconds(self.wash.push(&reference, &file)?));
            if succeeds(std::process::Command::new("skopeo").arg("--version")) {
                fs_err::write(&file, tools::component(self.bytes, u64::from(round) * 8 + 2))?;
                let layout = self.scratch.path().join(format!("layout-{round}"));
                self.wash.layout(&file, &layout)?;
                skopeo.push(milliseconds(tools::skopeo_push(&layout, &self.registry.reference("bench/skopeo:v1"))?));
                fs_err::remove_dir_all(&layout)?;
            }
            fs_err::write(&file, tools::component(self.bytes, u64::from(round) * 8 + 3))?;
            let reference = self.registry.reference("bench/wkg:v1");
            wkg.push(milliseconds(tools::wkg_push(&self.wkg, &file, &reference, self.registry.address())?));
        }
        row("push: curl (one PUT, the session is open)", &curl, None);
        row("push: wash oci", &wash, Some(&curl));
        row("push: skopeo copy from a layout", &skopeo, Some(&curl));
        row("push: wkg oci", &wkg, Some(&curl));
        row("push of what is there: wash oci", &again, None);
        Ok(())
    }

    fn pulls(&self, rounds: u32) -> Result<()> {
        let file = self.scratch.path().join("pull.wasm");
        fs_err::write(&file, tools::component(self.bytes, u64::MAX))?;
        let reference = self.registry.reference("bench/pull:v1");
        let (digest, content) = self.wash.push_json(&reference, &file)?;
        let by_digest = self.registry.reference(&format!("bench/pull@{digest}"));
        let output = self.scratch.path().join("output.wasm");
        let (mut curl, mut wash, mut cached) = (Samples::default(), Samples::default(), Samples::default());
        let (mut skopeo, mut wkg) = (Samples::default(), Samples::default());
        for round in 0..rounds {
            let fresh = |name: &str| -> Result<PathBuf> {
                let path = self.scratch.path().join(format!("{name}-{round}"));
                let _ = fs_err::remove_file(&output);
                Ok(path)
            };
            fresh("curl")?;
            curl.push(milliseconds(self.curl.pull(&self.registry, "bench/pull", &content, &output)?));
            let cache = fresh("cache")?;
            wash.push(milliseconds(self.wash.pull(&reference, &output, &cache)?));
            self.check(&file, &output)?;
            fresh("cached")?;
            cached.push(milliseconds(self.wash.pull(&by_digest, &output, &cache)?));
            self.check(&file, &output)?;
            fs_err::remove_dir_all(&cache)?;
            if succeeds(std::process::Command::new("skopeo").arg("--version")) {
                let folder = fresh("skopeo")?;
                skopeo.push(milliseconds(tools::skopeo_pull(&reference, &folder)?));
                fs_err::remove_dir_all(&folder)?;
            }
            fresh("wkg")?;
            wkg.push(milliseconds(tools::wkg_pull(&self.wkg, &reference, &output, self.registry.address())?));
        }
        row("pull: curl (one GET)", &curl, None);
        row("pull: wash oci, nothing cached", &wash, Some(&curl));
        row("pull: skopeo copy to a folder", &skopeo, Some(&curl));
        row("pull: wkg oci", &wkg, Some(&curl));
        row("pull by digest from the cache: wash oci", &cached, None);
        Ok(())
    }

    /// What `serve` does, and Debian's registry beside it.
    fn crowd(&self) -> Result<()> {
        let file = self.scratch.path().join("crowd.wasm");
        let content = tools::component(self.bytes, 1);
        fs_err::write(&file, &content)?;
        let served = crowd::Served::start(&self.wash.program, &self.scratch.path().join("served"))?;
        let sides = [
            ("wash oci serve", served.address(), served.id()),
            ("docker-registry", self.registry.address(), self.registry.id()),
        ];
        for (name, address, process) in sides {
            let (_, digest) = self.wash.push_json(&format!("{address}/bench/crowd:v1"), &file)?;
            let path = format!("/v2/bench/crowd/blobs/{digest}");
            let (failed, time) = crowd::pull(address, &path, content.len());
            let memory = crowd::peak_memory(process).map_or("unknown".to_owned(), |memory| format!("{memory:.1} MB"));
            let clients = crowd::CLIENTS;
            print(&format!("{clients} pulls at once, {name}: {failed} failed, {time:.0} ms for all, at most {memory}"));
        }
        Ok(())
    }

    fn check(&self, expected: &Path, found: &Path) -> Result<()> {
        ensure!(fs_err::read(expected)? == fs_err::read(found)?, "another component came than was pushed");
        Ok(())
    }
}

fn milliseconds(time: Timed) -> f64 {
    Duration::as_secs_f64(&time.0) * 1000.0
}

/// Prints what was measured, and how it compares with the bound.
fn row(name: &str, samples: &Samples, bound: Option<&Samples>) {
    if samples.len() == 0 {
        say(&format!("{name}: left out"));
        return;
    }
    let factor = bound.map(|bound| format!("  {:.2} x curl", samples.median() / bound.median())).unwrap_or_default();
    let (median, min, max) = (samples.median(), samples.min(), samples.max());
    print(&format!("{name:<44} {median:>8.1} {min:>8.1} {max:>8.1}{factor}"));
}

/// A field of a JSON document's `data`.
fn field(document: &str, name: &str) -> Result<String> {
    let document: serde_json::Value = serde_json::from_str(document)?;
    Ok(document["data"][name].as_str().with_context(|| format!("the result has no `{name}`"))?.to_owned())
}
