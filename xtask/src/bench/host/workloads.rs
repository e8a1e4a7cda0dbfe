//! Thousands of workloads on one host, of which one at a time is asked for the first time.
//!
//! The peer has no counterpart: it serves one component.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use super::client::Connection;
use super::machine::Memory;
use super::programs::Contender;
use super::report::{Section, number};
use super::server::{PATIENCE, Server};
use crate::bench::samples::Samples;

/// How many workloads are asked once.
const ASKED: u32 = 200;
/// How many of those have a component that no other workload has: its code has to be found in the cache.
const WITH_OWN_CODE: u32 = 20;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let folder = bench.scratch.path().join("workloads");
    fs_err::create_dir_all(&folder)?;
    write_components(&bench.guests.hello, &folder)?;
    compile_beforehand(bench, &folder)?;
    let all = folder.join("all.yaml");
    write_documents(&all, (0..bench.workloads).map(|index| (index, component_of(index, bench.workloads))))?;
    let lazy = Contender::ours("wash-host --lazy", &["--lazy"]);
    let server = Server::start(&bench.programs, &lazy, &all)?;
    let at_start = server.memory()?;
    let (mut own, mut shared) = (Samples::default(), Samples::default());
    let mut connection = Connection::open(server.address, PATIENCE)?;
    for step in 0..ASKED {
        let index = step * (bench.workloads / ASKED).max(1) % bench.workloads;
        let begun = Instant::now();
        let answer = connection.get(&host(index), "/")?;
        let elapsed = begun.elapsed().as_secs_f64() * 1000.0;
        ensure!(answer.status == 200, "workload {index} answers with status {}", answer.status);
        if has_own_code(step) { own.push(elapsed) } else { shared.push(elapsed) }
    }
    let memory = server.memory()?;
    let ready = server.ready_after.as_secs_f64();
    let mut section = report(bench, ready, at_start, memory, &own, &shared);
    bench.programs.missing_cache().into_iter().for_each(|note| section.note(note));
    Ok(vec![section])
}

fn report(bench: &Bench, ready: f64, at_start: Memory, memory: Memory, own: &Samples, shared: &Samples) -> Section {
    let count = number(f64::from(bench.workloads), 0);
    let title = format!("{count} registered workloads, {ASKED} asked for the first time");
    let mut section = Section::new(title, &["p50, ms", "p99, ms", "slowest, ms"]);
    for (name, samples) in [("code of its own in the cache", own), ("code that others use", shared)] {
        let values = [samples.median(), samples.quantile(0.99), samples.max()];
        section.line(format!("{} × {name}", samples.len()), values.map(|value| number(value, 2)).to_vec());
    }
    section.note(format!(
        "Ready after {} s; resident {} MB then and {} MB after the {ASKED} requests (Pss {} MB).",
        number(ready, 2),
        number(at_start.resident / 1e6, 1),
        number(memory.resident / 1e6, 1),
        number(memory.proportional / 1e6, 1),
    ));
    section.goal(&format!("{count} workloads: start-up"), number(ready, 2) + " s", "under 5 s", ready < 5.0);
    let resident = memory.resident / 1e6;
    section.goal(&format!("{count} workloads: memory"), number(resident, 1) + " MB", "under 150 MB", resident < 150.0);
    let mut together = own.clone();
    together.extend(shared.clone());
    let p99 = together.quantile(0.99);
    section.goal(&format!("{count} workloads: first request, p99"), number(p99, 2) + " ms", "under 5 ms", p99 < 5.0);
    section
}

/// The workloads that are asked are spread over all; every tenth of those has code of its own.
fn component_of(index: u32, workloads: u32) -> String {
    let distance = (workloads / ASKED).max(1);
    let step = index / distance;
    let asked = index.is_multiple_of(distance) && step < ASKED;
    if asked && has_own_code(step) { own_component(step / (ASKED / WITH_OWN_CODE)) } else { "hello.wasm".to_owned() }
}

fn has_own_code(step: u32) -> bool {
    step.is_multiple_of(ASKED / WITH_OWN_CODE)
}

fn own_component(number: u32) -> String {
    format!("own-{number}.wasm")
}

fn host(index: u32) -> String {
    format!("w{index}.example")
}

/// The same component under several digests: a custom section at the end means nothing to anybody.
fn write_components(hello: &Path, folder: &Path) -> Result<()> {
    let bytes = fs_err::read(hello)?;
    fs_err::write(folder.join("hello.wasm"), &bytes)?;
    for number in 0..WITH_OWN_CODE {
        // The id of custom sections, the length, the length of the name, the name, and the content.
        let section = [0, 6, 1, b'n'].into_iter().chain(number.to_le_bytes());
        let component: Vec<u8> = bytes.iter().copied().chain(section).collect();
        fs_err::write(folder.join(own_component(number)), component)?;
    }
    Ok(())
}

/// Starts every component once, not lazily, so that all code is in the cache.
fn compile_beforehand(bench: &Bench, folder: &Path) -> Result<()> {
    let documents: PathBuf = folder.join("warm.yaml");
    let own = (0..WITH_OWN_CODE).map(|number| (number, own_component(number)));
    write_documents(&documents, own.chain([(WITH_OWN_CODE, "hello.wasm".to_owned())]))?;
    let server = Server::start(&bench.programs, &Contender::ours("wash-host", &[]), &documents)?;
    let mut connection = Connection::open(server.address, PATIENCE)?;
    for index in 0..=WITH_OWN_CODE {
        let answer = connection.get(&host(index), "/")?;
        ensure!(answer.status == 200, "workload {index} answers with status {}", answer.status);
    }
    server.stop()
}

fn write_documents(path: &Path, workloads: impl Iterator<Item = (u32, String)>) -> Result<()> {
    let mut text = String::new();
    for (index, component) in workloads {
        write!(
            text,
            "\
---
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: Workload
metadata:
  name: w{index}
spec:
  components:
    - name: http
      image: file:{component}
  hostInterfaces:
    - namespace: wasi
      package: http
      interfaces: [incoming-handler]
      config:
        host: {}
",
            host(index)
        )?;
    }
    Ok(fs_err::write(path, text)?)
}
