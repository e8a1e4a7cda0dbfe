//! What an idle host with one component holds after its first request.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::programs::Contender;
use super::report::{Section, number};
use super::server::Server;
use crate::bench::samples::Samples;

/// Until what is released after a while has been released.
const IDLE: Duration = Duration::from_secs(3);

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let contenders = [Contender::ours("wash-host", &[]), Contender::serve("serve", &[])];
    // What was just compiled is still in the memory of the compiler's process: the second start is the idle host.
    for contender in &contenders {
        Server::start_warm(&bench.programs, contender, &bench.guests.hello, "/")?.stop()?;
    }
    let mut resident = [Samples::default(), Samples::default()];
    let mut proportional = resident.clone();
    for turn in bench.turns(contenders.len()) {
        let server = Server::start_warm(&bench.programs, &contenders[turn], &bench.guests.hello, "/")?;
        thread::sleep(IDLE);
        let memory = server.memory()?;
        resident[turn].push(memory.resident / 1e6);
        proportional[turn].push(memory.proportional / 1e6);
    }
    let names = contenders.map(|contender| contender.name);
    let sides = |samples| names.into_iter().zip(samples).collect::<Vec<_>>();
    let mut section = Section::comparison("Memory of an idle host, resident, MB", 1, &sides(&resident));
    bench.programs.missing_cache().into_iter().for_each(|note| section.note(note));
    let ours = resident[0].median();
    section.goal("memory of an idle host", number(ours, 1) + " MB", "at most 30 MB", ours <= 30.0);
    let shared = Section::comparison("The same, shared pages divided (Pss), MB", 1, &sides(&proportional));
    Ok(vec![section, shared])
}
