//! Requests to registries: connections, authentication, redirects, time limits, and trying again.
//!
//! Knows HTTP and tokens; what the requests mean is the rest of the crate's business.

mod auth;
mod challenge;
mod connections;
mod identity;
mod payload;
mod proxy;
mod response;
mod retry;
mod send;

pub(crate) use connections::Transport;
pub use connections::is_loopback;
pub(crate) use payload::Payload;
pub(crate) use response::Response;
pub(crate) use retry::{is_transient, pause};
pub(crate) use send::{Request, Target};

use crate::reference::Repository;

/// What a token must allow.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Scope(String);

impl Scope {
    pub(crate) fn pull(repository: &Repository) -> Self {
        Self(format!("repository:{}:pull", repository.path()))
    }

    pub(crate) fn push(repository: &Repository) -> Self {
        Self(format!("repository:{}:pull,push", repository.path()))
    }

    pub(crate) fn delete(repository: &Repository) -> Self {
        Self(format!("repository:{}:delete,pull", repository.path()))
    }
}
