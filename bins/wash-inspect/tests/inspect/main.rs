//! `wash inspect` through its command line: what it shows, compares, judges and writes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checking;
mod corpus;
mod damaged;
mod diffing;
mod fixtures;
mod older;
mod projects;
mod registries;
mod rewriting;
mod schemas;
mod showing;
mod sizing;
mod terminal;
