//! What is left of a workload's throughput while another one spins.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Bench;
use super::client::Connection;
use super::programs::{Contender, Side};
use super::report::{Section, number};
use super::server::{PATIENCE, Server};
use super::wrk;
use crate::bench::samples::Samples;

const CALM: &str = "calm.example";
const SPINNING: &str = "spinning.example";
/// Until the spinners spin.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Figures {
    undisturbed: Samples,
    disturbed: Samples,
    failed: u64,
}

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let workloads = write_workloads(bench)?;
    let processors = thread::available_parallelism()?.get();
    let contenders = [
        (Contender::ours("wash-host, 1 spinner", &[]), 1),
        (Contender::ours("wash-host, a spinner per processor", &[]), processors),
        (Contender::serve("serve, 1 spinner", &[]), 1),
        (Contender::serve("serve -W timeout=600s, 1 spinner", &["-W", "timeout=600s"]), 1),
    ];
    let mut figures = contenders.each_ref().map(|_| Figures::default());
    for turn in bench.few_turns(contenders.len()) {
        let (contender, spinners) = &contenders[turn];
        let source = if contender.side == Side::WashHost { &workloads } else { &bench.guests.probe };
        measure_once(bench, contender, source, *spinners, &mut figures[turn])?;
    }
    let title = "Requests per second beside a workload that spins, 32 connections";
    let mut section = Section::new(title, &["undisturbed", "disturbed", "min", "max", "remains", "failed"]);
    for ((contender, _), figures) in contenders.iter().zip(&figures) {
        let (before, after) = (figures.undisturbed.median(), &figures.disturbed);
        let mut cells: Vec<_> =
            [before, after.median(), after.min(), after.max()].iter().map(|rate| number(*rate, 0)).collect();
        cells.push(number(figures.share(), 0) + " %");
        cells.push(figures.failed.to_string());
        section.line(contender.name, cells);
    }
    section.note(
        "wash-host: two workloads of one component. serve: one component, which is asked to spin as well. `failed` \
         counts errors and timeouts that wrk saw in the disturbed part.",
    );
    let [ours, ..] = &figures;
    let met = ours.share() >= 40.0 && ours.failed == 0;
    section.goal("a neighbour's throughput beside a spinner", number(ours.share(), 0) + " %", "at least 40 %", met);
    Ok(vec![section])
}

impl Figures {
    fn share(&self) -> f64 {
        100.0 * self.disturbed.median() / self.undisturbed.median()
    }
}

fn measure_once(
    bench: &Bench,
    contender: &Contender,
    source: &Path,
    spinners: usize,
    figures: &mut Figures,
) -> Result<()> {
    let server = Server::start(&bench.programs, contender, source)?;
    wrk::run(server.address, CALM, "/version", Duration::from_secs(1))?;
    figures.undisturbed.push(wrk::run(server.address, CALM, "/version", bench.duration)?.per_second);
    let mut spinning = Vec::new();
    for _ in 0..spinners {
        let mut connection = Connection::open(server.address, PATIENCE)?;
        connection.send(SPINNING, "/spin")?;
        // It spins as long as its client is there.
        spinning.push(connection);
    }
    let before = server.cpu()?;
    thread::sleep(SETTLE);
    // Even on a busy machine it gets more than that; an error instead of a spinner would take nothing.
    ensure!(server.cpu()? - before > SETTLE / 20, "{}: /spin does not spin", contender.name);
    let rate = wrk::run(server.address, CALM, "/version", bench.duration)?;
    figures.disturbed.push(rate.per_second);
    figures.failed += rate.failed;
    Ok(())
}

/// Two workloads of the same component, one to measure and one to spin longer than any measurement.
fn write_workloads(bench: &Bench) -> Result<PathBuf> {
    let folder = bench.scratch.path().join("neighbour");
    fs_err::create_dir_all(&folder)?;
    fs_err::copy(&bench.guests.probe, folder.join("probe.wasm"))?;
    let path = folder.join("workloads.yaml");
    let document = |name: &str, host: &str| {
        format!(
            "\
---
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: Workload
metadata:
  name: {name}
spec:
  components:
    - name: http
      image: file:probe.wasm
  hostInterfaces:
    - namespace: wasi
      package: http
      interfaces: [incoming-handler]
      config:
        host: {host}
        request-timeout: 1h
"
        )
    };
    fs_err::write(&path, document("calm", CALM) + &document("spinning", SPINNING))?;
    Ok(path)
}
