//! `wash new` through its command line: what it prints, what it leaves on disk, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod builtin;
mod folder;
mod http;
mod remote;
mod repository;
mod sandbox;
mod setup_command;
