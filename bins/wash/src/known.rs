//! The tools that belong to `wash` itself, so that help can describe them without starting them.
//!
//! A tool stands here once it exists; its summary is the first line of its own `--help`.

use std::ffi::OsStr;

/// A tool of the family.
#[derive(Debug)]
pub(crate) struct KnownTool {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
}

/// In the order in which a project needs them.
pub(crate) const KNOWN: [KnownTool; 7] = [
    KnownTool { name: "new", summary: "Create a project from a template" },
    KnownTool { name: "build", summary: "Build a WebAssembly component from a project" },
    KnownTool { name: "wit", summary: "Manage the WIT dependencies of a project" },
    KnownTool { name: "dev", summary: "Build a component, serve it, and swap it in when its source changes" },
    KnownTool { name: "oci", summary: "Push, pull, copy, sign and serve WebAssembly components in OCI registries" },
    KnownTool { name: "host", summary: "Run WebAssembly components as a host on this machine" },
    KnownTool { name: "inspect", summary: "See, compare and judge a component without running it" },
];

/// What a command does, or nothing for a third party's.
pub(crate) fn summary(command: &OsStr) -> &'static str {
    KNOWN.iter().find(|tool| command == tool.name).map_or("", |tool| tool.summary)
}

/// Whether a command belongs to the family, installed or not.
pub(crate) fn is_known(command: &OsStr) -> bool {
    KNOWN.iter().any(|tool| command == tool.name)
}
