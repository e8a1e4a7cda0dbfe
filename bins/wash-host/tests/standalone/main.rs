//! `wash host` through its command line: what it serves, what it says and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what a failed test knows about its server")]

mod admin;
mod caching;
mod components;
mod documents;
mod guests;
mod images;
mod invoking;
mod lazy;
mod projects;
mod refusing;
mod running_out;
mod server;
mod stopping;
mod storage;
mod telemetry;
mod tls;
mod unread;
