//! Placeholder of the host tool while its parts are put together.
fn main() {}
