//! wash.
fn main() {}
