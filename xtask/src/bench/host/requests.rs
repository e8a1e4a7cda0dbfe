//! The highest rate at 32 connections, and the processor time that a request takes of the server.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::programs::{Contender, POOL_FLAGS};
use super::report::{Section, number};
use super::server::Server;
use super::wrk;
use crate::bench::samples::Samples;

/// How long a server is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Figures {
    per_second: Samples,
    /// Microseconds of processor time per request.
    cpu: Samples,
    failed: u64,
}

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let contenders = [
        Contender::ours("wash-host", &[]),
        Contender::serve("serve", &[]),
        Contender::serve("serve, pool flags", &["-O", POOL_FLAGS]),
        Contender::ours("wash-host, reuse 1000", &["--instance-reuse", "1000"]),
        Contender::serve("serve, reuse 1000", &["--max-instance-reuse-count", "1000"]),
    ];
    let mut figures = contenders.each_ref().map(|_| Figures::default());
    for turn in bench.turns(contenders.len()) {
        measure_once(bench, &contenders[turn], &mut figures[turn])?;
    }
    let [ours, serve, pool, ours_reuse, serve_reuse] = figures;
    bench.slowest_peer = Some(serve.per_second.median().min(pool.per_second.median()));
    let sides = [&ours, &serve, &pool].into_iter().zip(&contenders).collect::<Vec<_>>();
    let reuse_sides = [&ours_reuse, &serve_reuse].into_iter().zip(&contenders[3..]).collect::<Vec<_>>();
    let mut fresh = rates("Requests per second, a fresh instance each, 32 connections", &sides);
    ratio_goal(&mut fresh, "requests/s, fresh, to serve", &ours, &serve, 3.0);
    ratio_goal(&mut fresh, "requests/s, fresh, to serve with pool flags", &ours, &pool, 1.5);
    let mut reuse = rates("Requests per second, instances reused 1,000 times, 32 connections", &reuse_sides);
    ratio_goal(&mut reuse, "requests/s, reuse, to serve with reuse", &ours_reuse, &serve_reuse, 1.2);
    let cpus: Vec<_> =
        sides.iter().chain(&reuse_sides).map(|(figures, contender)| (contender.name, &figures.cpu)).collect();
    let mut cpu = Section::comparison("Processor time of the server per request, microseconds", 1, &cpus);
    let share = 100.0 * ours.cpu.median() / serve.cpu.median();
    cpu.goal(
        "host CPU time per request, to serve",
        number(share, 0) + " %",
        "at most 40 %",
        share <= 40.0 && ours.failed == 0,
    );
    Ok(vec![fresh, reuse, cpu])
}

fn measure_once(bench: &Bench, contender: &Contender, figures: &mut Figures) -> Result<()> {
    let server = Server::start_warm(&bench.programs, contender, &bench.guests.hello, "/")?;
    wrk::run(server.address, "localhost", "/", WARM_UP)?;
    let before = server.cpu()?;
    let rate = wrk::run(server.address, "localhost", "/", bench.duration)?;
    let used = server.cpu()?.saturating_sub(before);
    figures.per_second.push(rate.per_second);
    figures.cpu.push(used.as_secs_f64() * 1e6 / rate.requests);
    figures.failed += rate.failed;
    Ok(())
}

fn rates(title: &str, sides: &[(&Figures, &Contender)]) -> Section {
    let samples: Vec<_> = sides.iter().map(|(figures, contender)| (contender.name, &figures.per_second)).collect();
    let mut section = Section::comparison(title, 0, &samples);
    for (figures, contender) in sides.iter().filter(|(figures, _)| figures.failed > 0) {
        section.note(format!("{}: {} requests failed", contender.name, figures.failed));
    }
    section
}

fn ratio_goal(section: &mut Section, figure: &str, ours: &Figures, peer: &Figures, least: f64) {
    let ratio = ours.per_second.median() / peer.per_second.median();
    // A rate of errors is no rate.
    let met = ratio >= least && ours.failed == 0;
    section.goal(figure, format!("{} ×", number(ratio, 2)), &format!("at least {least} ×"), met);
}
