//! `wash build` through its command line: what it finds, runs, judges and says, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cargo_projects;
mod config_errors;
mod fetching;
mod finding;
mod fixtures;
mod freshness;
mod hostile;
mod interruption;
mod json;
mod layers;
mod other_toolchains;
mod result;
mod running;
mod surroundings;
mod workbench;
mod wrapping;
