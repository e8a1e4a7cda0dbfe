//! `wash host`: run workloads on this machine and serve them.

mod documents;

fn main() {}
