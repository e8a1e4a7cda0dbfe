//! A thousand requests at once to a guest that sleeps a second: an instance for each of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Bench;
use super::client::Connection;
use super::programs::Contender;
use super::report::{Section, number};
use super::server::Server;
use crate::bench::samples::Samples;

const REQUESTS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Figures {
    /// Failed requests of each round.
    failed: Samples,
    /// Seconds until the last answer.
    elapsed: Samples,
    reasons: BTreeMap<String, usize>,
}

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let contenders = [Contender::ours("wash-host", &[]), Contender::serve("serve", &[])];
    let mut figures = contenders.each_ref().map(|_| Figures::default());
    for turn in bench.few_turns(contenders.len()) {
        let server = Server::start_warm(&bench.programs, &contenders[turn], &bench.guests.probe, "/version")?;
        ask_all(server.address, &mut figures[turn])?;
    }
    let title = "1,000 requests in flight to a guest that sleeps a second";
    let mut section = Section::new(title, &["failed (median)", "failed (max)", "last answer after, s"]);
    for (contender, figures) in contenders.iter().zip(&figures) {
        let cells = vec![
            number(figures.failed.median(), 0),
            number(figures.failed.max(), 0),
            number(figures.elapsed.median(), 2),
        ];
        section.line(contender.name, cells);
        for (reason, count) in &figures.reasons {
            section.note(format!("{}: {count} × {reason}", contender.name));
        }
    }
    let failed = figures[0].failed.max();
    section.goal("1,000 requests to a sleeper", number(failed, 0) + " failed", "none", failed == 0.0);
    Ok(vec![section])
}

fn ask_all(address: SocketAddr, figures: &mut Figures) -> Result<()> {
    let connected = Barrier::new(REQUESTS + 1);
    let (results, elapsed) = thread::scope(|scope| {
        let ask_one = || {
            let connection = Connection::open(address, PATIENCE);
            connected.wait();
            let answer = connection.and_then(|mut connection| connection.get("localhost", "/sleep"));
            match answer {
                Ok(answer) if answer.status == 200 && answer.body == b"slept" => Ok(()),
                Ok(answer) => Err(format!("status {}", answer.status)),
                Err(err) => Err(err.to_string()),
            }
        };
        let threads: Vec<_> = (0..REQUESTS).map(|_| scope.spawn(ask_one)).collect();
        connected.wait();
        let begun = Instant::now();
        let results: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (results, begun.elapsed())
    });
    let mut failed = 0.0;
    for result in results {
        if let Err(reason) = result.map_err(|_| anyhow!("a client panicked"))? {
            failed += 1.0;
            *figures.reasons.entry(reason).or_default() += 1;
        }
    }
    figures.failed.push(failed);
    figures.elapsed.push(elapsed.as_secs_f64());
    Ok(())
}
