//! What guests write, as whole lines with who wrote them.
//!
//! Where the lines go is up to whoever makes one of these.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::host::guest_output::{GuestOutput, GuestStream, OutputSource};

/// A line is handed on in parts once it is longer than this, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// Gathers what guests write until a line is complete.
pub struct GuestLines<F> {
    sink: F,
    /// Beginnings of lines. There are as many as components, twice.
    open: Mutex<HashMap<(String, String, bool), Vec<u8>>>,
}

impl<F: Fn(&OutputSource, GuestStream, &str) + Send + Sync + 'static> GuestLines<F> {
    /// Hands every line on, without its line feed. Bytes that are no UTF-8 are replaced.
    pub fn new(sink: F) -> Self {
        Self { sink, open: Mutex::default() }
    }

    /// The lines that these bytes complete.
    fn lines(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]) -> Vec<String> {
        let key = (source.workload_name.clone(), source.component_name.clone(), stream == GuestStream::Stderr);
        // Each change is whole when the lock is given back, even by a panic.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let line = open.entry(key).or_default();
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            let is_whole = line.ends_with(b"\n");
            if is_whole || line.len() > LONGEST_LINE {
                if is_whole {
                    line.pop();
                }
                lines.push(String::from_utf8_lossy(line).into_owned());
                line.clear();
            }
        }
        lines
    }
}

impl<F: Fn(&OutputSource, GuestStream, &str) + Send + Sync + 'static> GuestOutput for GuestLines<F> {
    fn write(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]) {
        for line in self.lines(source, stream, bytes) {
            (self.sink)(source, stream, &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_each_component_has_its_own() {
        let output = GuestLines::new(|_: &OutputSource, _: GuestStream, _: &str| {});
        let source = |name: &str| OutputSource {
            workload_id: "default/w".to_owned(),
            workload_name: "w".to_owned(),
            component_name: name.to_owned(),
        };
        let write = |name, stream, text: &str| output.lines(&source(name), stream, text.as_bytes());
        assert_eq!(write("a", GuestStream::Stdout, "one\ntw"), ["one"]);
        assert_eq!(write("a", GuestStream::Stderr, "err\n"), ["err"]);
        assert_eq!(write("b", GuestStream::Stdout, "\n"), [""]);
        assert_eq!(write("a", GuestStream::Stdout, "o\n"), ["two"]);
        assert!(write("a", GuestStream::Stdout, &"x".repeat(LONGEST_LINE)).is_empty());
        assert_eq!(write("a", GuestStream::Stdout, "yz")[0].len(), LONGEST_LINE + 2);
    }
}
