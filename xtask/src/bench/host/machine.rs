//! What the machine and its processes say of themselves in /proc.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::read;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// All pages that are present.
    pub(super) resident: f64,
    /// The same, with each shared page divided by those who share it.
    pub(super) proportional: f64,
}

/// How busy the machine was between two moments.
pub(super) struct Usage {
    total: u64,
    idle: u64,
    stolen: u64,
    load: String,
}

/// What a reader must know of the machine.
pub(super) fn describe() -> Result<Vec<String>> {
    let cpu = text("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = text("/proc/meminfo")?;
    let kilobytes = |field: &str| kilobytes(&memory, field).unwrap_or(0.0) / 1e6;
    let moves = text("/proc/vmstat").is_ok_and(|text| text.contains("pgmigrate_success"));
    let pages = text("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let first = |value: &str| value.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let kernel = text("/proc/sys/kernel/osrelease")?;
    let cores = thread::available_parallelism()?;
    let load = first(&text("/proc/loadavg")?);
    let busy = load.split(' ').next().and_then(|load| load.parse::<f64>().ok()).unwrap_or(0.0);
    let mut lines = vec![
        format!("{cores} processors ({}), Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim()),
        format!(
            "{:.1} GB memory, {:.1} GB swap; the kernel may move pages: {}; transparent huge pages: {}",
            kilobytes("MemTotal:"),
            kilobytes("SwapTotal:"),
            if moves { "yes" } else { "no" },
            pages.trim(),
        ),
        format!("load before the run: {load}"),
    ];
    if busy > cores.get() as f64 / 4.0 {
        lines.push("OTHER PROGRAMS USE THIS MACHINE: the figures say little".to_owned());
    }
    Ok(lines)
}

/// Processor time, user and system, that a process has used so far.
pub(super) fn cpu_of(id: u32) -> Result<Duration> {
    let stat = text(format!("/proc/{id}/stat"))?;
    // The name is in parentheses and may contain anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = read(Command::new("getconf").arg("CLK_TCK"))?.trim().parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

pub(super) fn memory_of(id: u32) -> Result<Memory> {
    let status = text(format!("/proc/{id}/status"))?;
    let rollup = text(format!("/proc/{id}/smaps_rollup"))?;
    Ok(Memory {
        resident: kilobytes(&status, "VmRSS:").context("no VmRSS")? * 1024.0,
        proportional: kilobytes(&rollup, "Pss:").context("no Pss")? * 1024.0,
    })
}

impl Usage {
    pub(super) fn now() -> Result<Self> {
        let stat = text("/proc/stat")?;
        let line = stat.lines().next().context("empty /proc/stat")?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in the first two.
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or(0);
        let load = text("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { total: fields.iter().sum(), idle: field(3) + field(4), stolen: field(7), load })
    }

    /// What became of the processors since.
    pub(super) fn until_now(&self) -> Result<impl fmt::Display + use<>> {
        let now = Self::now()?;
        let share = |later: u64, earlier: u64| {
            100.0 * later.saturating_sub(earlier) as f64 / now.total.saturating_sub(self.total).max(1) as f64
        };
        let (idle, stolen) = (share(now.idle, self.idle), share(now.stolen, self.stolen));
        Ok(format!("load {} before and {} after, idle {idle:.1} %, steal {stolen:.1} %", self.load, now.load))
    }
}

/// The number behind the name of a field, in kB.
fn kilobytes(text: &str, field: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn text(path: impl AsRef<Path>) -> Result<String> {
    Ok(fs_err::read_to_string(path.as_ref())?)
}
