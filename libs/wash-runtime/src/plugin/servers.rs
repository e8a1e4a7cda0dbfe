//! Servers that keep data: those that the host has, and those that workloads name.
//!
//! How each is spoken to is not known here.

#[cfg(any(feature = "nats", feature = "redis"))]
use std::collections::HashMap;
use std::fmt;
#[cfg(any(feature = "nats", feature = "redis"))]
use std::sync::{Mutex, OnceLock, PoisonError};

#[cfg(any(feature = "nats", feature = "redis"))]
use tokio::runtime::Handle;

/// What a server is, as it stands in the setting `backend`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ServerKind {
    #[cfg(feature = "nats")]
    Nats,
    #[cfg(feature = "wasmcloud-postgres")]
    Postgres,
    #[cfg(feature = "redis")]
    Redis,
}

impl ServerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats => "nats",
            #[cfg(feature = "wasmcloud-postgres")]
            Self::Postgres => "postgres",
            #[cfg(feature = "redis")]
            Self::Redis => "redis",
        }
    }
}

/// Where a workload's server is. The text may hold a password, and is not shown.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct ServerUrl(pub(crate) String);

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerUrl(..)")
    }
}

/// A server as the plugins see it: clones share its connections.
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) trait Server: Clone + Send + Sync + 'static {
    type Error: std::error::Error + Send + Sync + 'static;

    /// A server that is connected to when it is first needed.
    fn at(url: &str) -> Result<Self, Self::Error>;

    /// Connects.
    fn reach(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Where connections live: those of workers that serve requests end before. The first one stays.
    fn live_on(&self, runtime: &Handle);

    /// Whether somebody else has a clone.
    fn is_used(&self) -> bool;
}

/// The servers of one kind that a plugin knows.
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) struct Servers<T> {
    /// The host's own.
    pub(crate) own: Option<T>,
    /// Those that workloads name, each connected to once.
    named: Mutex<HashMap<String, T>>,
    runtime: OnceLock<Handle>,
}

#[cfg(any(feature = "nats", feature = "redis"))]
impl<T> Default for Servers<T> {
    fn default() -> Self {
        Self { own: None, named: Mutex::default(), runtime: OnceLock::new() }
    }
}

#[cfg(any(feature = "nats", feature = "redis"))]
impl<T: fmt::Debug> fmt::Debug for Servers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys of those that workloads name may hold passwords.
        f.debug_struct("Servers").field("own", &self.own).finish_non_exhaustive()
    }
}

#[cfg(any(feature = "nats", feature = "redis"))]
impl<T: Server> Servers<T> {
    /// Connects to the host's own. Connections of all live on the runtime that this is called on.
    pub(crate) async fn start(&self) -> Result<(), T::Error> {
        _ = self.runtime.set(Handle::current());
        match &self.own {
            Some(server) => server.reach().await,
            None => Ok(()),
        }
    }

    /// The server with this URL, made if it is not there; the host's own without one. Those that are not used any more go.
    pub(crate) fn find(&self, url: Option<&ServerUrl>) -> Result<Option<T>, T::Error> {
        let Some(ServerUrl(url)) = url else { return Ok(self.own.clone()) };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|known, server| known == url || server.is_used());
        if let Some(server) = named.get(url) {
            return Ok(Some(server.clone()));
        }
        let server = T::at(url)?;
        if let Some(runtime) = self.runtime.get() {
            server.live_on(runtime);
        }
        named.insert(url.clone(), server.clone());
        Ok(Some(server))
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;
    use crate::plugin::redis::Redis;

    #[test]
    fn a_server_that_workloads_name_is_shared_while_one_uses_it() {
        let servers = Servers::<Redis>::default();
        let find = |url: &str| servers.find(Some(&ServerUrl(url.to_owned()))).unwrap().unwrap();
        assert!(servers.find(None).unwrap().is_none());
        let (one, again) = (find("redis://:secret@one"), find("redis://:secret@one"));
        drop(again);
        _ = find("redis://two");
        let shown = format!("{:?} {servers:?}", ServerUrl("redis://:secret@one".to_owned()));
        assert!(!shown.contains("secret"), "{shown}");
        drop(one);
        _ = find("redis://two");
        assert_eq!(servers.named.lock().unwrap().len(), 1);
    }
}
