//! Four requests that spin for ever: whether others are answered meanwhile, and whether the spinners end.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Bench;
use super::client::{self, Connection};
use super::open_loop::{self, Load, Outcome};
use super::programs::Contender;
use super::report::{Section, number};
use super::server::Server;

const SPINNERS: usize = 4;
/// How long a request may take, on the sides that can be told.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the others are watched: shorter than the deadline, so that all four spin all the time.
const WATCHED: Duration = Duration::from_secs(4);
/// After that a spinner is one for good.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// Until the spinners spin.
const SETTLE: Duration = Duration::from_millis(300);

struct Figures {
    others: Outcome,
    /// When each spinner's request ended, if it did.
    ended: Vec<Option<Duration>>,
    /// Whether somebody else is answered afterwards.
    answers_afterwards: bool,
    /// Processor time during a second after the end of the spinners' requests.
    cpu_afterwards: Duration,
}

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let contenders = [
        Contender::ours("wash-host --request-timeout 5s", &["--request-timeout", "5s"]),
        Contender::serve("serve", &[]),
        Contender::serve("serve -W timeout=5s", &["-W", "timeout=5s"]),
    ];
    let columns = ["p50, ms", "slowest, ms", "unanswered", "spinners ended", "after, s", "answers then", "CPU then"];
    let mut section = Section::new("Four requests spin for ever, 160 others per second", &columns);
    for (index, contender) in contenders.iter().enumerate() {
        let figures = measure_once(bench, contender)?;
        let ended: Vec<f64> = figures.ended.iter().flatten().map(Duration::as_secs_f64).collect();
        let last = ended.iter().copied().fold(f64::NAN, f64::max);
        let slowest = figures.others.answered.max();
        section.line(
            contender.name,
            vec![
                number(figures.others.answered.median(), 2),
                number(slowest, 1),
                format!("{} of {}", figures.others.failed, figures.others.failed + figures.others.answered.len()),
                format!("{} of {SPINNERS}", ended.len()),
                number(last, 2),
                if figures.answers_afterwards { "yes" } else { "no" }.to_owned(),
                number(100.0 * figures.cpu_afterwards.as_secs_f64(), 0) + " %",
            ],
        );
        if index == 0 {
            let answered = slowest <= 50.0 && figures.others.failed == 0;
            let measured = format!("slowest {} ms, {} unanswered", number(slowest, 1), figures.others.failed);
            section.goal("others, while 4 requests spin", measured, "within 50 ms", answered);
            let deadline = DEADLINE.as_secs_f64();
            let in_time = ended.len() == SPINNERS && (deadline - 0.1..deadline + 1.0).contains(&last);
            let quiet = figures.cpu_afterwards < Duration::from_millis(100) && figures.answers_afterwards;
            let measured = format!("{} of {SPINNERS} after {} s", ended.len(), number(last, 2));
            section.goal("spinners end at their deadline", measured, "all, after 5 s", in_time && quiet);
        }
    }
    section.note(format!(
        "Spinners are given up after {GIVEN_UP:?}; `CPU then` is the use of processors during the second after."
    ));
    Ok(vec![section])
}

fn measure_once(bench: &Bench, contender: &Contender) -> Result<Figures> {
    let server = Server::start_warm(&bench.programs, contender, &bench.guests.probe, "/version")?;
    let address = server.address;
    let load =
        Load { path: "/version", rate: 160.0, connections: 8, duration: WATCHED, patience: Duration::from_secs(2) };
    let (others, ended) = thread::scope(|scope| {
        let spinners: Vec<_> = (0..SPINNERS).map(|_| scope.spawn(|| spin(address))).collect();
        thread::sleep(SETTLE);
        let others = open_loop::run(address, &load);
        (others, spinners.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>())
    });
    let ended = ended.into_iter().collect::<Result<_, _>>().map_err(|_| anyhow!("a client panicked"))?;
    let answers_afterwards =
        client::get(address, "/version", Duration::from_secs(2)).is_ok_and(|answer| answer.status == 200);
    let before = server.cpu()?;
    thread::sleep(Duration::from_secs(1));
    let cpu_afterwards = server.cpu()?.saturating_sub(before);
    Ok(Figures { others: others?, ended, answers_afterwards, cpu_afterwards })
}

/// When the request ended, with an answer or a closed connection.
fn spin(address: SocketAddr) -> Option<Duration> {
    let begun = Instant::now();
    let mut connection = Connection::open(address, GIVEN_UP).ok()?;
    connection.send("localhost", "/spin").ok()?;
    let result = connection.receive();
    let timed_out =
        |err: &std::io::Error| matches!(err.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    match result {
        Err(err) if timed_out(&err) => None,
        _ => Some(begun.elapsed()),
    }
}
