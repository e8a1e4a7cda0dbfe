//! Binaries that harm whoever reads them carelessly: malformed ones without end, and a few that are made to hurt.
//!
//! What a reader should make of each is for the tests to say.

pub mod binary;
mod bombs;
mod generator;

pub use bombs::{Specimen, bombs, nested_components, nested_types};
pub use generator::{Generator, seeds};

/// Runs something with no more stack than half of what threads usually have, where code that recurses ends first.
///
/// # Panics
/// If the thread cannot be started or panics.
pub fn with_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    const STACK: usize = 1 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).expect("a thread");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The most memory that this process has had resident since [`forget_peak`], in bytes.
///
/// # Panics
/// If the system does not tell.
#[cfg(target_os = "linux")]
pub fn peak_memory() -> u64 {
    memory_line("VmHWM:")
}

/// Memory that this process has resident, in bytes.
///
/// # Panics
/// If the system does not tell.
#[cfg(target_os = "linux")]
pub fn resident_memory() -> u64 {
    memory_line("VmRSS:")
}

/// Lets [`peak_memory`] begin anew.
///
/// # Panics
/// If the system refuses.
#[cfg(target_os = "linux")]
pub fn forget_peak() {
    // See proc(5), /proc/pid/clear_refs.
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
}

#[cfg(target_os = "linux")]
fn memory_line(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process may read its own status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line about memory");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kibibytes << 10
}
