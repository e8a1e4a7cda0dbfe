//! How soon a new version answers: from the write of its component, or of its source.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::javascript;
use super::project::{self, Template};
use super::server::Server;
use super::{Bench, Samples, print_beside_build, print_samples};

/// The template with another greeting each time: only its data change.
pub(super) fn text(bench: &Bench) -> Result<()> {
    let template = Template::copy(bench, "text-source")?;
    template.build()?;
    let component = fs_err::read(template.component())?;
    let versions =
        (0..bench.rounds).map(|version| project::with_text(&component, version)).collect::<Result<Vec<_>>>()?;
    let samples = swap(bench, "text", &component, &versions)?;
    print_samples("write of a component with another text to its answer", &samples);
    Ok(())
}

/// The template with other code each time.
pub(super) fn code(bench: &Bench) -> Result<()> {
    let template = Template::copy(bench, "code-source")?;
    let mut versions = Vec::new();
    for version in 0..=bench.rounds {
        template.save(version)?;
        template.build()?;
        versions.push(fs_err::read(template.component())?);
    }
    let samples = swap(bench, "code", &versions[0], &versions[1..])?;
    print_samples("write of a component with other code to its answer", &samples);
    Ok(())
}

/// Two builds of a script.
pub(super) fn javascript(bench: &Bench) -> Result<()> {
    in_turns(bench, "javascript", &javascript::builds()?)
}

/// Two components that somebody has named.
pub(super) fn given(bench: &Bench) -> Result<()> {
    in_turns(bench, "given", &bench.given)
}

fn in_turns(bench: &Bench, name: &str, paths: &[PathBuf]) -> Result<()> {
    let components = paths.iter().map(fs_err::read).collect::<std::io::Result<Vec<_>>>()?;
    let [one, other] = components.as_slice() else { return Ok(()) };
    let versions: Vec<_> = (0..bench.rounds).map(|round| if round % 2 == 0 { other } else { one }.clone()).collect();
    let begun = Instant::now();
    let samples = swap(bench, name, one, &versions)?;
    let megabytes = one.len() as f64 / 1e6;
    print_samples(&format!("write of a {name} component ({megabytes:.1} MB) to its answer"), &samples);
    super::print(&format!("{:<52} {:>8.1}  s, all rounds and the first start", "", begun.elapsed().as_secs_f64()));
    Ok(())
}

fn swap(bench: &Bench, name: &str, first: &[u8], versions: &[Vec<u8>]) -> Result<Samples> {
    let initial = bench.folder(&format!("{name}.wasm"));
    fs_err::write(&initial, first)?;
    let root = project::without_build(bench, name, &initial)?;
    let server = Server::start(bench, &root)?;
    let mut client = server.client()?;
    let (_, mut body) = client.get()?;
    let mut samples = Samples::default();
    for version in versions {
        let since = replace(&root, version)?;
        body = client.wait_for_other_than(&body, Duration::ZERO)?;
        samples.push(since.elapsed().as_secs_f64() * 1000.0);
        server.wait_for("swapped")?;
    }
    Ok(samples)
}

/// Writes the component beside its place and moves it there, as build tools do.
fn replace(root: &Path, component: &[u8]) -> Result<Instant> {
    let draft = root.join("target/draft");
    fs_err::write(&draft, component)?;
    let since = Instant::now();
    fs_err::rename(draft, project::artifact(root))?;
    Ok(since)
}

/// The whole loop: save, build, swap. What the build command takes by itself is measured in turn.
pub(super) fn save(bench: &Bench) -> Result<()> {
    let template = Template::copy(bench, "save")?;
    template.save(0)?;
    template.build()?;
    let (mut all, mut alone) = (Samples::default(), Samples::default());
    for round in 0..bench.rounds {
        template.save(2 * round + 1)?;
        let since = Instant::now();
        template.build()?;
        alone.push(since.elapsed().as_secs_f64() * 1000.0);
        let server = Server::start_with(bench, &template.root, |command| template.apply_toolchain(command))?;
        let mut client = server.client()?;
        let (status, body) = client.get()?;
        ensure!(status == 200, "status {status}: {body}");
        let since = Instant::now();
        template.save(2 * round + 2)?;
        // The build needs the machine more than the questions do.
        client.wait_for_other_than(&body, Duration::from_millis(1))?;
        all.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    print_beside_build(("save of src/lib.rs to the answer", &all), ("the build command alone", &alone));
    Ok(())
}
