//! How long answers take at a rate that every side can do with ease.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::open_loop::{self, Load};
use super::programs::{Contender, POOL_FLAGS};
use super::report::{Section, number};
use super::server::{PATIENCE, Server};
use super::wrk;
use crate::bench::samples::Samples;

#[derive(Default)]
struct Figures {
    median: Samples,
    p99: Samples,
    max: Samples,
    failed: usize,
}

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let contenders = [
        Contender::ours("wash-host", &[]),
        Contender::serve("serve", &[]),
        Contender::serve("serve, pool flags", &["-O", POOL_FLAGS]),
    ];
    let rate = slowest_peer(bench, &contenders[1])? / 2.0;
    let mut figures = contenders.each_ref().map(|_| Figures::default());
    for turn in bench.turns(contenders.len()) {
        measure_once(bench, &contenders[turn], rate, &mut figures[turn])?;
    }
    let title = format!("Latency at {} requests per second, milliseconds", number(rate, 0));
    let mut section = Section::new(title, &["p50", "p99", "p99 min", "p99 max", "slowest", "failed"]);
    for (contender, figures) in contenders.iter().zip(&figures) {
        let (p99, max) = (&figures.p99, figures.max.max());
        let values = [figures.median.median(), p99.median(), p99.min(), p99.max(), max];
        let mut cells: Vec<_> = values.iter().map(|value| number(*value, 2)).collect();
        cells.push(figures.failed.to_string());
        section.line(contender.name, cells);
    }
    section.note(
        "Half of the slowest peer's highest rate, on 32 connections, each request at a time fixed beforehand; medians of \
         the rounds.",
    );
    let [ours, serve, _] = figures;
    let share = 100.0 * ours.p99.median() / serve.p99.median();
    let met = share <= 50.0 && ours.failed == 0;
    section.goal("p99 at half the slowest peer's rate, to serve", number(share, 0) + " %", "at most 50 %", met);
    Ok(vec![section])
}

/// The slowest peer's highest rate: the one that was measured in this run, or a new one.
fn slowest_peer(bench: &Bench, serve: &Contender) -> Result<f64> {
    if let Some(rate) = bench.slowest_peer {
        return Ok(rate);
    }
    let server = Server::start_warm(&bench.programs, serve, &bench.guests.hello, "/")?;
    Ok(wrk::run(server.address, "localhost", "/", bench.duration.min(Duration::from_secs(5)))?.per_second)
}

fn measure_once(bench: &Bench, contender: &Contender, rate: f64, figures: &mut Figures) -> Result<()> {
    let server = Server::start_warm(&bench.programs, contender, &bench.guests.hello, "/")?;
    let load = |duration| Load { path: "/", rate, connections: wrk::CONNECTIONS, duration, patience: PATIENCE };
    open_loop::run(server.address, &load(Duration::from_secs(1)))?;
    let outcome = open_loop::run(server.address, &load(bench.duration))?;
    figures.median.push(outcome.answered.median());
    figures.p99.push(outcome.answered.quantile(0.99));
    figures.max.push(outcome.answered.max());
    figures.failed += outcome.failed;
    Ok(())
}
