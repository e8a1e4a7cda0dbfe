//! What the workspace's tests share.
//!
//! It is a dev-dependency only: nothing that ships may need it.

pub mod guest;
pub mod postgres;
pub mod sandbox;

pub use postgres::Postgres;
pub use sandbox::{Output, Sandbox};
