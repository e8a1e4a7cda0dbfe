//! `wash dev` through its command line: what it serves, what it rebuilds for, what it says and how it ends.
//!
//! Only the tests in `cargo` compile a guest: in all others a build copies a component that is there already.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what a failed test knows about its server")]

mod artifacts;
mod cargo;
mod configuring;
mod connection;
mod dependencies;
mod failing;
mod guides;
mod images;
mod page;
mod parts;
mod ports;
mod project;
mod refusing;
mod server;
mod serving;
mod stopping;
mod swapping;
mod terminal;
mod watching;
