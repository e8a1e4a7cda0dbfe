//! The registry as its clients meet it: real connections to a real server, over a real folder.
//!
//! `pull`, `push`, `discovery` and `management` follow the categories of the distribution specification's conformance
//! tests, requirement by requirement.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod connections;
mod discovery;
mod generated;
mod hostile;
mod layouts;
mod management;
mod pull;
mod push;
mod quirks;
mod running;
