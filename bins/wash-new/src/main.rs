//! wash-new.
fn main() {}
