//! Becomes a tool.
//!
//! Passes arguments on without reading them, and leaves environment, folder and open files as they are.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::search::Search;

/// Why a file with the right name is not run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody may execute it.
    NotExecutable,
    /// It holds nothing that a kernel runs.
    NoProgram,
    /// What its first line names, or for a program its loader, is not there.
    NoInterpreter(Option<OsString>),
    /// Anything else, in the operating system's words.
    Other(io::Error),
}

/// Replaces this process with the tool of `command`; returns only when that fails.
pub(crate) fn exec(command: &OsStr, arguments: &[OsString]) -> Failure {
    let search = Search::from_environment();
    let mut refused = None;
    for candidate in search.candidates(command) {
        let refusal =
            if candidate.is_executable { become_tool(&candidate.path, arguments) } else { Refusal::NotExecutable };
        let failure = Failure::not_runnable(&candidate.path, &refusal);
        // Like a shell: what we may not execute does not hide what we may, further on.
        match refusal {
            Refusal::NotExecutable => {}
            Refusal::Other(err) if err.kind() == io::ErrorKind::PermissionDenied => {}
            _ => return failure,
        }
        refused.get_or_insert(failure);
    }
    refused.unwrap_or_else(|| Failure::no_such_command(command, &search.tools()))
}

fn become_tool(path: &Path, arguments: &[OsString]) -> Refusal {
    let head = head(path);
    // The C library hands a file that the kernel does not recognise to `sh`, which would run an empty or damaged tool
    // as if it were a script, and perhaps call that a success.
    if head.as_deref().is_some_and(|head| !is_program(head)) {
        return Refusal::NoProgram;
    }
    let err = Command::new(path).args(arguments).exec();
    match err.kind() {
        // The tool itself was there a moment ago.
        io::ErrorKind::NotFound => Refusal::NoInterpreter(interpreter(head.as_deref().unwrap_or_default())),
        _ => Refusal::Other(err),
    }
}

/// The beginning of a file, long enough for the first line of a script; nothing when we may execute it but not read it.
fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Whether a kernel has a way to run a file that begins like this: ELF, the kinds of Mach-O, and scripts.
fn is_program(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 5] = [b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
    MAGIC.iter().any(|magic| head.starts_with(magic))
}

/// The program that the first line of a script names.
fn interpreter(head: &[u8]) -> Option<OsString> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let words = line.split(|byte| b" \t".contains(byte));
    words.into_iter().find(|word| !word.is_empty()).map(|word| OsStr::from_bytes(word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters() {
        let table: [(&[u8], Option<&str>); 6] = [
            (b"#!/bin/sh\necho", Some("/bin/sh")),
            (b"#! /usr/bin/env -S x\n", Some("/usr/bin/env")),
            (b"#!/bin/sh\r\n", Some("/bin/sh\r")),
            (b"#!", None),
            (b"\x7fELF", None),
            (b"", None),
        ];
        for (head, expected) in table {
            assert_eq!(interpreter(head), expected.map(OsString::from), "{head:?}");
        }
    }
}
