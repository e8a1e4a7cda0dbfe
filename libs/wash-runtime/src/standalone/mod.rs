//! What programs that are a host on one machine have in common: which interfaces their components have to ask for, the
//! plugins that provide them, and lines of what guests write.
//!
//! It starts nothing; a host in a cluster is told all of this by others.

mod guest_lines;
mod interfaces;
mod names;
mod plugins;

pub use guest_lines::GuestLines;
pub use interfaces::{Package, asked_for, host_interfaces};
pub use names::{Names, dns_label};
pub use plugins::{StandardStorage, with_standard_plugins};
