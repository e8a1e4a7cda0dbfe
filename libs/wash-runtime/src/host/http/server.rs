//! The server: its settings, its threads, and its end, which drops nobody in mid-sentence.
//!
//! What happens on a connection is the business of [`super::connection`].

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot, watch};

use super::acceptor::Acceptor;
use super::connection::Serving;
use super::control::Command;
use super::limits::Limits;
use super::tls::{Tls, TlsConfig, TlsError};
use super::worker::Workers;
use super::{HostHandler, OwnPages, Routed, Router};
use crate::engine::workload::ResolvedWorkload;
use crate::host::lazy::LazyWorkload;
use crate::types::Workload;

/// How long connections that were told to close, and threads that were told to end, are waited for.
const END_PATIENCE: Duration = Duration::from_secs(5);

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

/// Why a server could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It was started before.
    #[error("the HTTP server can be started only once")]
    StartedBefore,
    /// The system gave it no threads, or no means to wait for connections.
    #[error("cannot start the threads of the HTTP server")]
    Threads(#[source] io::Error),
}

/// Serves HTTP/1.1 and HTTP/2, and hands each request to the workload that its router chooses.
///
/// It has threads of its own; each runs the guests of the connections that it was given.
pub struct HttpServer<R: Router> {
    router: Arc<R>,
    address: SocketAddr,
    workers: usize,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    own_pages: Option<Arc<dyn OwnPages>>,
    state: Mutex<State>,
}

enum State {
    Bound(std::net::TcpListener),
    Serving(Threads),
    Stopped,
}

/// What runs while a server serves.
struct Threads {
    workers: Arc<Workers>,
    connections: Arc<Semaphore>,
    /// Becomes true when no more connections are to be accepted.
    stopped: watch::Sender<bool>,
    listener_closed: oneshot::Receiver<()>,
    /// Becomes true when the workers are to end.
    ended: watch::Sender<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl<R: Router> HttpServer<R> {
    /// Binds the address; port 0 takes any free port. Connections wait until the host starts the server.
    ///
    /// # Errors
    /// [`BindError`], found by `downcast_ref`, with the system's error as its source.
    pub async fn new(router: R, address: SocketAddr) -> anyhow::Result<Self> {
        let failed = |source| BindError { address, source };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = listener.into_std().map_err(failed)?;
        Ok(Self {
            router: Arc::new(router),
            address,
            workers: thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
            tls: None,
            own_pages: None,
            state: Mutex::new(State::Bound(listener)),
        })
    }

    /// How many threads serve connections: by default as many as the process may run at once, and at least one.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Serves encrypted connections only: HTTP/2 where the client prefers it, HTTP/1.1 otherwise.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used as they are now.
    pub fn with_tls(mut self, config: TlsConfig) -> Result<Self, TlsError> {
        self.tls = Some(Arc::new(Tls::load(config)?));
        Ok(self)
    }

    /// Lets the embedder answer some requests itself, before they come to the router.
    #[must_use]
    pub fn with_own_pages(mut self, pages: Arc<dyn OwnPages>) -> Self {
        self.own_pages = Some(pages);
        self
    }

    /// How many connections may be open at once; further ones wait in the system's queue. By default half as many as
    /// the process may open files, but at least 64 and at most 32,768.
    #[must_use]
    pub fn with_connection_limit(mut self, connections: usize) -> Self {
        self.limits.connections = connections.clamp(1, u32::MAX as usize >> 3);
        self
    }

    /// How long a client may take to send a request's head, and its first request: by default 30 seconds.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.header_timeout = timeout.into();
        self
    }

    /// How long a connection may stay open between requests: by default 75 seconds.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.idle_timeout = timeout.into();
        self
    }

    /// How long a request's body may pause while its guest waits for more: by default 60 seconds. The client is told
    /// with the status 408, if its response has not begun.
    #[must_use]
    pub fn with_body_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.body_timeout = timeout.into();
        self
    }

    /// How long a client may take none of the bytes of its response: by default 60 seconds.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.write_timeout = timeout.into();
        self
    }

    /// How large a request's body may be, in bytes: by default there is no limit. A larger one is refused with the
    /// status 413, if its response has not begun.
    #[must_use]
    pub fn with_max_body_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.limits.body_bytes = bytes.into();
        self
    }

    /// How large a request's head may be, in bytes: by default 64 KiB. A larger one is refused with the status 431.
    #[must_use]
    pub fn with_max_header_size(mut self, bytes: usize) -> Self {
        self.limits.header_bytes = bytes;
        self
    }

    /// How many headers a request of HTTP/1 may have: by default 100. More are refused with the status 431.
    #[must_use]
    pub fn with_max_headers(mut self, headers: usize) -> Self {
        self.limits.headers = headers;
        self
    }

    /// How many requests an HTTP/2 connection may have in flight: by default 200.
    #[must_use]
    pub fn with_max_concurrent_streams(mut self, streams: u32) -> Self {
        self.limits.concurrent_streams = streams;
        self
    }

    /// How often to ask clients of HTTP/2 whether they are still there: by default every 20 seconds. One that does
    /// not answer within 20 seconds is not.
    #[must_use]
    pub fn with_keep_alive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.limits.keep_alive_interval = interval.into();
        self
    }

    /// The address it listens on, with the port that the system chose if none was given.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single step, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, listener: std::net::TcpListener) -> io::Result<Threads> {
        let (stopped, ended) = (watch::Sender::new(false), watch::Sender::new(false));
        let (workers, mut handles) = Workers::start(self.workers, &self.limits, &ended.subscribe())?;
        let workers = Arc::new(workers);
        let connections = Arc::new(Semaphore::new(self.limits.connections));
        let (tls, own_pages) = (self.tls.clone(), self.own_pages.clone());
        let serving = Serving::new(Arc::clone(&self.router), self.address, tls, own_pages, &self.limits);
        let acceptor = Acceptor {
            listener,
            serving: Arc::new(serving),
            workers: Arc::clone(&workers),
            connections: Arc::clone(&connections),
        };
        let (handle, listener_closed) = acceptor.start(stopped.subscribe())?;
        handles.push(handle);
        Ok(Threads { workers, connections, stopped, listener_closed, ended, handles })
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
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Stopped) {
            State::Bound(listener) => {
                *state = State::Serving(self.spawn(listener).map_err(ServeError::Threads)?);
                Ok(())
            }
            other => {
                *state = other;
                Err(ServeError::StartedBefore.into())
            }
        }
    }

    async fn stop(&self, patience: Duration) -> anyhow::Result<()> {
        let state = std::mem::replace(&mut *self.state(), State::Stopped);
        if let State::Serving(threads) = state {
            threads.stop(self.limits.connections, patience).await;
        }
        Ok(())
    }

    fn addr(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn is_serving(&self) -> bool {
        matches!(*self.state(), State::Serving(_))
    }

    fn on_workload_starting(&self, workload_id: &str, workload: &Workload) -> anyhow::Result<()> {
        self.router.announce(workload_id, workload)
    }

    fn on_workload_resolved(&self, workload: Arc<ResolvedWorkload>) -> anyhow::Result<()> {
        self.router.add(Routed::Loaded(workload))
    }

    fn on_workload_registered(&self, workload: Arc<LazyWorkload>) -> anyhow::Result<()> {
        self.router.add(Routed::Lazy(workload))
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        self.router.remove(workload_id);
    }
}

impl Threads {
    /// Closes the listener, lets connections and what they left behind finish, and ends the threads.
    async fn stop(self, limit: usize, patience: Duration) {
        let begun = Instant::now();
        self.stopped.send_replace(true);
        // Only when the listener has closed do new connections go elsewhere. An error means that it has.
        _ = self.listener_closed.await;
        self.workers.command(Command::Drain);
        let all = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut all_closed = std::pin::pin!(self.connections.acquire_many(all));
        if tokio::time::timeout(patience, all_closed.as_mut()).await.is_err() {
            tracing::warn!("cutting off connections that did not finish in time");
            self.workers.command(Command::Close);
            if tokio::time::timeout(END_PATIENCE, all_closed).await.is_err() {
                tracing::error!("some connections did not close");
            }
        }
        // A guest may still be at work on what comes after its response.
        _ = tokio::time::timeout(patience.saturating_sub(begun.elapsed()), self.workers.idle()).await;
        self.ended.send_replace(true);
        let handles = self.handles;
        let joined = tokio::task::spawn_blocking(move || handles.into_iter().for_each(|handle| _ = handle.join()));
        if tokio::time::timeout(END_PATIENCE, joined).await.is_err() {
            tracing::error!("some threads of the HTTP server did not end");
        }
    }
}
