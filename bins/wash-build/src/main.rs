//! wash-build.
fn main() {}
