//! What the workspace's tests share.
//!
//! It is a dev-dependency only: nothing that ships may need it.

pub mod foreign;
pub mod guest;
pub mod hostile;
pub mod nats;
pub mod postgres;
pub mod redis;
pub mod registry;
pub mod sandbox;
mod server;

pub use nats::Nats;
pub use postgres::Postgres;
pub use redis::Redis;
pub use registry::{Registry, RegistryOptions};
pub use sandbox::{Output, Sandbox};
