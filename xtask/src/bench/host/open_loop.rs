//! Requests at a fixed rate, whatever the server does.
//!
//! A client that waits for an answer before it thinks of its next request spares a server that hangs: it sends less
//! just when answers are late. Here the time of each request is fixed beforehand, and its latency counts from that
//! time, even if it could only be sent later. `wrk` cannot do that, and `h2load` counts from the moment of sending.
//! Threads that sleep are precise to a tenth of a millisecond, the same for every server.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::client::Connection;
use crate::bench::samples::Samples;

/// How to ask.
pub(super) struct Load<'a> {
    pub(super) path: &'a str,
    /// Requests per second of all connections together.
    pub(super) rate: f64,
    pub(super) connections: u32,
    pub(super) duration: Duration,
    /// When an answer is given up.
    pub(super) patience: Duration,
}

/// What came back.
#[derive(Default)]
pub(super) struct Outcome {
    /// Latencies of the answers with status 200, in milliseconds.
    pub(super) answered: Samples,
    /// Requests with any other answer or none.
    pub(super) failed: usize,
}

/// Opens the connections, sends all requests, and waits for the answers.
pub(super) fn run(address: SocketAddr, load: &Load<'_>) -> Result<Outcome> {
    // All threads are there before the first request.
    let begin = Instant::now() + Duration::from_millis(100);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|index| {
                let body = move || ask(address, load, begin, index);
                thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, body)
            })
            .collect();
        let mut all = Outcome::default();
        for thread in threads {
            let outcome = thread?.join().map_err(|_| anyhow!("a thread of the load generator panicked"))?;
            all.answered.extend(outcome.answered);
            all.failed += outcome.failed;
        }
        Ok(all)
    })
}

/// The requests of one connection.
fn ask(address: SocketAddr, load: &Load<'_>, begin: Instant, index: u32) -> Outcome {
    let interval = f64::from(load.connections) / load.rate;
    let offset = f64::from(index) / load.rate;
    let give_up = begin + load.duration + load.patience;
    let mut outcome = Outcome::default();
    let mut connection = None;
    for number in 0_u32.. {
        let time = Duration::from_secs_f64(offset + interval * f64::from(number));
        if time >= load.duration {
            break;
        }
        let scheduled = begin + time;
        thread::sleep(scheduled.saturating_duration_since(Instant::now()));
        let answered = Instant::now() < give_up && get(&mut connection, address, load);
        if answered {
            outcome.answered.push(scheduled.elapsed().as_secs_f64() * 1000.0);
        } else {
            outcome.failed += 1;
        }
    }
    outcome
}

/// Whether the answer was 200. A connection that failed is not used again.
fn get(connection: &mut Option<Connection>, address: SocketAddr, load: &Load<'_>) -> bool {
    let Some(mut open) = connection.take().or_else(|| Connection::open(address, load.patience).ok()) else {
        return false;
    };
    match open.get("localhost", load.path) {
        Ok(answer) => {
            *connection = Some(open);
            answer.status == 200
        }
        Err(_) => false,
    }
}
