//! The listener: it accepts connections up to a limit and stops without dropping anyone in mid-sentence.
//!
//! What happens on a connection is the business of [`super::connection`].

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::connection::{self, Phase};
use super::{HostHandler, Router};
use crate::engine::workload::ResolvedWorkload;
use crate::types::Workload;

/// Connections open at once; further ones wait in the system's queue.
const MAX_CONNECTIONS: u32 = 10_000;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait when the system can open no more sockets: trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address could not be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}")]
#[non_exhaustive]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said, for example that the address is in use.
    pub source: io::Error,
}

/// Serves HTTP/1.1 and HTTP/2 without TLS, and hands each request to the workload that its router chooses.
pub struct HttpServer<R: Router> {
    router: Arc<R>,
    address: SocketAddr,
    header_timeout: Duration,
    connections: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
    state: Mutex<State>,
}

enum State {
    Bound(TcpListener),
    Serving(JoinHandle<()>),
    Stopped,
}

impl<R: Router> HttpServer<R> {
    /// Binds the address; port 0 takes any free port. Connections wait until the host starts the server.
    ///
    /// # Errors
    /// [`BindError`], found by `downcast_ref`, with the system's error as its source.
    pub async fn new(router: R, address: SocketAddr) -> anyhow::Result<Self> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            router: Arc::new(router),
            address,
            header_timeout: HEADER_TIMEOUT,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS as usize)),
            phase: watch::Sender::new(Phase::Serving),
            state: Mutex::new(State::Bound(listener)),
        })
    }

    /// How long a client may take to send a request's head, and its first request: by default 30 seconds.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// The address it listens on, with the port that the system chose if none was given.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    fn replace_state(&self, state: State) -> State {
        // Each change is a single step, so a poisoned state is still whole.
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl<R: Router> std::fmt::Debug for HttpServer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl<R: Router> HostHandler for HttpServer<R> {
    async fn start(&self) -> anyhow::Result<()> {
        match self.replace_state(State::Stopped) {
            State::Bound(listener) => {
                let accept = accept(
                    listener,
                    Arc::clone(&self.connections),
                    self.phase.subscribe(),
                    Service {
                        router: Arc::clone(&self.router),
                        address: self.address,
                        header_timeout: self.header_timeout,
                    },
                );
                self.replace_state(State::Serving(tokio::spawn(accept)));
                Ok(())
            }
            other => {
                self.replace_state(other);
                anyhow::bail!("the HTTP server can be started only once")
            }
        }
    }

    async fn stop(&self, patience: Duration) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Draining);
        if let State::Serving(accept) = self.replace_state(State::Stopped) {
            // The listener closes with this task; only then do new connections go elsewhere.
            _ = accept.await;
        }
        let mut all_closed = std::pin::pin!(self.connections.acquire_many(MAX_CONNECTIONS));
        if tokio::time::timeout(patience, all_closed.as_mut()).await.is_err() {
            tracing::warn!("cutting off connections that did not finish in time");
            self.phase.send_replace(Phase::Closed);
            _ = all_closed.await;
        }
        Ok(())
    }

    fn on_workload_starting(&self, workload_id: &str, workload: &Workload) -> anyhow::Result<()> {
        self.router.announce(workload_id, workload)
    }

    fn on_workload_resolved(&self, workload: Arc<ResolvedWorkload>) -> anyhow::Result<()> {
        self.router.add(workload)
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        self.router.remove(workload_id);
    }
}

/// What every connection is served with.
struct Service<R> {
    router: Arc<R>,
    address: SocketAddr,
    header_timeout: Duration,
}

async fn accept<R: Router>(
    listener: TcpListener,
    connections: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
    service: Service<R>,
) {
    loop {
        let next = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, next_connection(&listener).await)
        };
        let (permit, stream) = tokio::select! {
            next = next => next,
            // An error means that the server is gone, which ends the serving as well.
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        };
        let serve = connection::serve(
            stream,
            Arc::clone(&service.router),
            service.address,
            service.header_timeout,
            phase.clone(),
        );
        tokio::spawn(async move {
            serve.await;
            drop(permit);
        });
    }
}

/// Waits for a connection, and goes on waiting when one fails.
async fn next_connection(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client went away before it was accepted: there may be others.
            Err(err) if is_clients_doing(&err) => {}
            Err(err) => {
                tracing::warn!("cannot accept connections at the moment: {err}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_clients_doing(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(err.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
