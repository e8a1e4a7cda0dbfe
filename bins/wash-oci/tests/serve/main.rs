//! `wash oci serve` as people, scripts and other programs meet it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod foreign;
mod killing;
mod memory;
mod options;
mod server;
