//! Load from many connections while the component changes every two seconds: nobody must notice but by the new version.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::project::{self, Template};
use super::server::Server;
use super::{Bench, print};
use crate::bench::host::wrk;

const CONNECTIONS: u32 = 50;

const INTERVAL: Duration = Duration::from_secs(2);

/// Connections of our own beside those of `wrk`, which look at the versions.
const WITNESSES: usize = 2;

pub(super) fn measure(bench: &Bench) -> Result<()> {
    wrk::check()?;
    let template = Template::copy(bench, "load-source")?;
    template.build()?;
    let component = fs_err::read(template.component())?;
    let first = bench.folder("load.wasm");
    fs_err::write(&first, project::with_text(&component, 0)?)?;
    let root = project::without_build(bench, "load", &first)?;
    let server = Server::start(bench, &root)?;
    let (address, stop) = (server.address, AtomicBool::new(false));
    let (rate, swaps, witnessed) = thread::scope(|scope| {
        let witnesses: Vec<_> = (0..WITNESSES).map(|_| scope.spawn(|| witness(address, &stop))).collect();
        let swapping = scope.spawn(|| {
            let mut version = 0;
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(INTERVAL.saturating_sub(begun.elapsed().saturating_sub(INTERVAL * version)));
                version += 1;
                fs_err::write(root.join("target/draft"), project::with_text(&component, version)?)?;
                fs_err::rename(root.join("target/draft"), project::artifact(&root))?;
            }
            anyhow::Ok(version)
        });
        let rate = wrk::run_with(address, CONNECTIONS, "localhost", "/", bench.duration);
        stop.store(true, Ordering::Relaxed);
        let swaps = swapping.join();
        let witnessed: Vec<_> = witnesses.into_iter().map(|witness| witness.join()).collect();
        (rate, swaps, witnessed)
    });
    let rate = rate?;
    let swaps = swaps.map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    for witness in witnessed {
        let versions = witness.map_err(|_| anyhow::anyhow!("a witness panicked"))??;
        ensure!(versions.is_sorted(), "the versions went back on one connection: {versions:?}");
        ensure!(versions.len() > 1, "a witness saw one version alone");
    }
    let seconds = bench.duration.as_secs();
    print(&format!(
        "{CONNECTIONS} connections for {seconds} s, {swaps} versions: {:.0} requests, {:.0} per second, {} failed; versions \
         never went back",
        rate.requests, rate.per_second, rate.failed
    ));
    Ok(())
}

/// The versions that have answered on one connection, in order.
fn witness(address: std::net::SocketAddr, stop: &AtomicBool) -> Result<Vec<u32>> {
    let mut client = super::client::Client::connect(address)?;
    let mut versions = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let (status, body) = client.get()?;
        ensure!(status == 200, "status {status}: {body}");
        let digits: String = body.chars().filter(char::is_ascii_digit).collect();
        versions.push(digits.parse().with_context(|| format!("no version in {body:?}"))?);
        versions.dedup();
        thread::sleep(Duration::from_millis(5));
    }
    Ok(versions)
}
