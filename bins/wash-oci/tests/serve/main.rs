//! `wash oci serve` as people, scripts and other programs meet it.

mod foreign;
mod killing;
mod memory;
mod options;
mod server;
