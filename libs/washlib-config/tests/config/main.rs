//! What the library promises its users, tried through its public face alone; every test makes its own folders.

// Clippy spares `#[test]` functions by itself, not what they share.
#![allow(clippy::unwrap_used)]

mod discovery;
mod documents;
mod environment;
mod errors;
mod fuzz;
mod layers;
mod workbench;
