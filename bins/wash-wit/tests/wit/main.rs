//! `wash wit` as its users run it: the real program, real WASI packages, registries on this machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adding;
mod basics;
mod building;
mod checking;
mod fetching;
mod http_server;
mod interrupting;
mod oci;
mod packages;
mod refusing;
mod sources;
mod updating;
mod versions;
mod wkg;
mod workbench;
mod worlds;
