//! From the start of the process to the first answer, when the code has been compiled before.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Bench;
use super::client;
use super::programs::{Contender, Programs};
use super::report::{Section, number};
use super::server::{Guard, free_address};
use crate::bench::samples::Samples;
use crate::process::execute;

/// A start takes milliseconds, so a round has several.
const STARTS_PER_ROUND: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Section>> {
    let hello = &bench.guests.hello;
    let compiled = bench.scratch.path().join("hello.cwasm");
    let mut compile = bench.programs.plain(&bench.programs.wasmtime);
    execute(compile.arg("compile").arg(hello).arg("-o").arg(&compiled))?;
    let contenders = [
        (Contender::ours("wash-host", &[]), hello),
        (Contender::serve("serve, its cache", &[]), hello),
        (Contender::serve("serve, compiled beforehand", &["--allow-precompiled"]), &compiled),
    ];
    for (contender, source) in &contenders {
        // Fills the caches: the programs' own and the system's.
        start(&bench.programs, contender, source)?;
    }
    let mut samples = contenders.each_ref().map(|_| Samples::default());
    for turn in bench.turns(contenders.len()) {
        let (contender, source) = &contenders[turn];
        for _ in 0..STARTS_PER_ROUND {
            samples[turn].push(start(&bench.programs, contender, source)?.as_secs_f64() * 1000.0);
        }
    }
    let named: Vec<_> = contenders.iter().map(|(contender, _)| contender.name).zip(&samples).collect();
    let mut section = Section::comparison("From process start to the first 200, milliseconds", 1, &named);
    section.note(format!("{} starts each, asked anew every 50 µs; the code was compiled before.", samples[0].len()));
    bench.programs.missing_cache().into_iter().for_each(|note| section.note(note));
    let (ours, serve) = (samples[0].median(), samples[1].median());
    section.goal("process start to first 200", number(ours, 1) + " ms", "at most 10 ms", ours <= 10.0);
    let share = 100.0 * ours / serve;
    section.goal("process start to first 200, to serve", number(share, 0) + " %", "at most 50 %", share <= 50.0);
    Ok(vec![section])
}

fn start(programs: &Programs, contender: &Contender, source: &Path) -> Result<Duration> {
    let address = free_address()?;
    let mut command = programs.command(contender, source, address);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let _process = Guard(command.spawn()?);
    let answered =
        client::wait_for_ok(address, "/", PATIENCE).with_context(|| format!("{} does not answer", contender.name))?;
    Ok(answered.duration_since(begun))
}
