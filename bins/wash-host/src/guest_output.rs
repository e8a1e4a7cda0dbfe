//! What guests write, on the host's stderr: with the component's name before each line where a person reads it.
//!
//! A program that reads stderr gets the bytes as the guest wrote them.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use wash_runtime::host::guest_output::{GuestOutput, GuestStream, HostStderr, OutputSource};
use wash_runtime::standalone::GuestLines;

/// The output that fits where stderr goes.
pub(crate) fn for_stderr() -> Arc<dyn GuestOutput> {
    if !io::stderr().is_terminal() {
        return Arc::new(HostStderr);
    }
    Arc::new(GuestLines::new(|source: &OutputSource, _: GuestStream, line: &str| {
        // In one piece, so that lines of several guests are not mixed. Nobody is left to tell when stderr is gone.
        _ = io::stderr().write_all(format!("{} | {line}\n", source.component_name).as_bytes());
    }))
}
