//! What the workspace's tests share.
//!
//! It is a dev-dependency only: nothing that ships may need it.

pub mod foreign;
pub mod guest;
pub mod hostile;
pub mod postgres;
pub mod registry;
pub mod sandbox;

pub use postgres::Postgres;
pub use registry::{Registry, RegistryOptions};
pub use sandbox::{Output, Sandbox};
