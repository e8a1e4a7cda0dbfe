//! The highest rate that a server can do, found by `wrk`: it costs less per request than any other generator.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::server;

pub(super) const CONNECTIONS: u32 = 32;
/// How long it may take beyond the time it was told.
const GRACE: Duration = Duration::from_secs(30);

/// What `wrk` counted.
#[derive(Debug, PartialEq)]
pub(in crate::bench) struct Rate {
    pub(in crate::bench) requests: f64,
    pub(in crate::bench) per_second: f64,
    /// Answers with a status of 400 or more, and errors of sockets.
    pub(in crate::bench) failed: u64,
}

/// Says what to install where it is missing.
pub(in crate::bench) fn check() -> Result<()> {
    match Command::new("wrk").arg("-v").output() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            bail!("`wrk` is not on PATH: install the package `wrk` (Debian: apt-get install wrk)")
        }
        result => result.map(drop).context("cannot run `wrk`"),
    }
}

/// Asks as fast as 32 connections can.
pub(super) fn run(address: SocketAddr, host: &str, path: &str, duration: Duration) -> Result<Rate> {
    run_with(address, CONNECTIONS, host, path, duration)
}

/// Asks as fast as so many connections can.
pub(in crate::bench) fn run_with(
    address: SocketAddr,
    connections: u32,
    host: &str,
    path: &str,
    duration: Duration,
) -> Result<Rate> {
    let mut command = Command::new("wrk");
    command.arg("-t1").arg(format!("-c{connections}")).arg(format!("-d{}s", duration.as_secs().max(1)));
    // With a capital letter: any other spelling is sent in addition to wrk's own, and two of them are an error.
    command.arg("-H").arg(format!("Host: {host}")).arg(format!("http://{address}{path}"));
    let mut child = server::Guard(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?);
    let status = child.wait(duration + GRACE)?.context("`wrk` did not end in time")?;
    let mut text = String::new();
    child.0.stdout.take().context("`wrk` has no stdout")?.read_to_string(&mut text)?;
    ensure!(status.success(), "`wrk` failed: {status}: {text}");
    parse(&text).with_context(|| format!("unexpected output of `wrk`: {text}"))
}

fn parse(text: &str) -> Option<Rate> {
    let mut rate = Rate { requests: f64::NAN, per_second: f64::NAN, failed: 0 };
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            rate.requests = requests.parse().ok()?;
        } else if let Some(per_second) = line.strip_prefix("Requests/sec:") {
            rate.per_second = per_second.trim().parse().ok()?;
        } else if let Some(failed) = line.strip_prefix("Non-2xx or 3xx responses:") {
            rate.failed += failed.trim().parse::<u64>().ok()?;
        } else if let Some(errors) = line.strip_prefix("Socket errors:") {
            let counts = errors.split(',').filter_map(|error| error.trim().split(' ').next_back());
            rate.failed += counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
        }
    }
    (rate.requests.is_finite() && rate.per_second.is_finite()).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::{Rate, parse};

    #[test]
    fn failures_are_counted() {
        let text = "\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.53ms    1.02ms  20.55ms   88.14%
    Req/Sec     7.09k   394.45     7.75k    65.00%
  14115 requests in 2.00s, 1.28MB read
  Socket errors: connect 1, read 2, write 0, timeout 30
  Non-2xx or 3xx responses: 7
Requests/sec:   7055.57
Transfer/sec:    654.40KB
";
        assert_eq!(parse(text), Some(Rate { requests: 14_115.0, per_second: 7_055.57, failed: 40 }));
        assert_eq!(parse("unable to connect"), None);
    }
}
