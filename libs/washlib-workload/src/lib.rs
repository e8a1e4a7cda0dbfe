//! From a project's configuration and its components to what a host runs: what each component may use, which interfaces
//! it asks for, and the plugins that provide them.
//!
//! It reads the files that the configuration names, and nothing else. It builds nothing, starts nothing and prints
//! nothing: what should be told comes back as a warning.

mod code_cache;
mod guest_lines;
mod interfaces;
mod names;
mod plugins;
mod private_file;
mod resources;
mod values;

pub use code_cache::code_cache_directory;
pub use guest_lines::GuestLines;
pub use interfaces::{Package, asked_for, host_interfaces};
pub use names::{Names, dns_label};
pub use plugins::{StorageRoots, with_standard_plugins};
pub use resources::{ResourceError, Resources};
pub use values::{ValueError, ValueWarning};
