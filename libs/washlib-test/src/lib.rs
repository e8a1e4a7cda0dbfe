//! What the workspace's tests share.
//!
//! It is a dev-dependency only: nothing that ships may need it.

pub mod guest;
pub mod hostile;
pub mod sandbox;

pub use sandbox::{Output, Sandbox};
