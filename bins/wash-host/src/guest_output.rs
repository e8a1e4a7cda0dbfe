//! What guests write, on the host's stderr: with the component's name before each line where a person reads it.
//!
//! A program that reads stderr gets the bytes as the guest wrote them.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use wash_runtime::host::guest_output::{GuestOutput, GuestStream, HostStderr, OutputSource};

/// A line is printed in parts once it is longer than this, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// The output that fits where stderr goes.
pub(crate) fn for_stderr() -> Arc<dyn GuestOutput> {
    if io::stderr().is_terminal() { Arc::new(Prefixed::default()) } else { Arc::new(HostStderr) }
}

/// Whole lines with the name of who wrote them.
#[derive(Default)]
struct Prefixed {
    /// Beginnings of lines. There are as many as components, twice.
    open: Mutex<HashMap<(String, String, bool), Vec<u8>>>,
}

impl Prefixed {
    /// The lines that these bytes complete.
    fn lines(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]) -> Vec<u8> {
        let key = (source.workload_name.clone(), source.component_name.clone(), stream == GuestStream::Stderr);
        // Each change is whole when the lock is given back, even by a panic.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let line = open.entry(key).or_default();
        let mut text = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") || line.len() > LONGEST_LINE {
                if !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                text.extend_from_slice(source.component_name.as_bytes());
                text.extend_from_slice(b" | ");
                text.append(line);
            }
        }
        text
    }
}

impl GuestOutput for Prefixed {
    fn write(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]) {
        let text = self.lines(source, stream, bytes);
        if !text.is_empty() {
            // Nobody is left to tell when stderr is gone.
            _ = io::stderr().write_all(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_named() {
        let output = Prefixed::default();
        let source = |name: &str| OutputSource {
            workload_id: "default/w".to_owned(),
            workload_name: "w".to_owned(),
            component_name: name.to_owned(),
        };
        let write = |name, stream, text: &str| {
            String::from_utf8_lossy(&output.lines(&source(name), stream, text.as_bytes())).into_owned()
        };
        assert_eq!(write("a", GuestStream::Stdout, "one\ntw"), "a | one\n");
        assert_eq!(write("a", GuestStream::Stderr, "err\n"), "a | err\n");
        assert_eq!(write("b", GuestStream::Stdout, "\n"), "b | \n");
        assert_eq!(write("a", GuestStream::Stdout, "o\n"), "a | two\n");
        assert_eq!(write("a", GuestStream::Stdout, &"x".repeat(LONGEST_LINE)), "");
        assert_eq!(write("a", GuestStream::Stdout, "yz").len(), LONGEST_LINE + 2 + "a | ".len() + 1);
    }
}
