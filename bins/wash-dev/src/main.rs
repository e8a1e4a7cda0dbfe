//! wash-dev.
fn main() {}
