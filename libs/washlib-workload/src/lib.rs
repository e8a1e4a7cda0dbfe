//! From a project's configuration to what its components may use: environment, values and hosts, with everything that
//! files and variables hold of them.
//!
//! It reads the files that the configuration names, and nothing else. It builds nothing, starts nothing and prints
//! nothing: what should be told comes back as a warning.

mod code_cache;
mod private_file;
mod resources;
mod values;

pub use code_cache::code_cache_directory;
pub use resources::{Granted, ResourceError, Resources};
pub use values::{ValueError, ValueWarning};
