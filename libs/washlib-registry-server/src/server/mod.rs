//! The listener, its connections, and their orderly end.
//!
//! It understands no request: each goes to a [`handler::Handler`].

mod credentials;
pub(crate) mod handler;
pub(crate) mod observer;
mod stream;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use credentials::Credentials;
pub use observer::{Observer, RequestRecord};
pub use tls::{TlsError, TlsFiles};
#[cfg(feature = "quirks")]
pub(crate) use {credentials::basic, tls::acceptor};

use crate::api::Api;
use crate::store::Store;
use handler::{Handler, Registry};
use observer::{Deaf, Ended, WatchedBody};
use stream::Impatient;

/// How long to wait when the system can open no more sockets: trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who can reach the registry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Exposure {
    /// Programs on this machine.
    #[default]
    Loopback,
    /// Whoever can reach the address. Credentials are needed then.
    Network,
}

/// What clients are held to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections may be open; further ones wait.
    pub connections: usize,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long a head may take, and how long a connection may be idle.
    pub head_timeout: Duration,
    /// How long a client may pause while it sends a body.
    pub body_timeout: Duration,
    /// How long a client may take nothing of a response.
    pub write_timeout: Duration,
    /// How long requests in flight may take when the server stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head_bytes: 64 * 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// Why the registry cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Others could reach the address, and that was not asked for.
    #[error("{0} can be reached from other machines")]
    NotLoopback(SocketAddr),
    /// Others could reach the address, and anybody would be let in.
    #[error("{0} can be reached from other machines, and no credentials are set")]
    NoCredentials(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A registry that does not listen yet.
#[must_use]
pub struct Builder {
    store: Arc<Store>,
    credentials: Option<Credentials>,
    exposure: Exposure,
    tls: Option<TlsFiles>,
    limits: Limits,
    observer: Arc<dyn Observer>,
}

impl Builder {
    /// Lets only these users in.
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Says who may reach it.
    pub fn with_exposure(mut self, exposure: Exposure) -> Self {
        self.exposure = exposure;
        self
    }

    /// Encrypts connections.
    pub fn with_tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Holds clients to other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells somebody what happens.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Begins to listen. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// When the address can be reached by others without that being asked for or without credentials, when the system
    /// refuses it, or when the certificate cannot be used.
    pub async fn bind(self, address: SocketAddr) -> Result<RegistryServer, BindError> {
        let has_users = self.credentials.as_ref().is_some_and(|credentials| !credentials.is_empty());
        match self.exposure {
            _ if address.ip().to_canonical().is_loopback() => {}
            Exposure::Loopback => return Err(BindError::NotLoopback(address)),
            Exposure::Network if !has_users => return Err(BindError::NoCredentials(address)),
            Exposure::Network => {}
        }
        let tls = self.tls.as_ref().map(tls::acceptor).transpose()?;
        let api = Api::new(self.store, self.limits.body_timeout);
        let handler = Arc::new(Registry { api, credentials: self.credentials });
        RegistryServer::listen(address, handler, tls, self.limits, self.observer).await
    }
}

/// A registry that listens.
pub struct RegistryServer {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
}

/// What all connections share.
struct Connections {
    handler: Arc<dyn Handler>,
    observer: Arc<dyn Observer>,
    limits: Limits,
}

impl RegistryServer {
    /// A registry of what is in the store.
    pub fn builder(store: Store) -> Builder {
        Builder {
            store: Arc::new(store),
            credentials: None,
            exposure: Exposure::default(),
            tls: None,
            limits: Limits::default(),
            observer: Arc::new(Deaf),
        }
    }

    pub(crate) async fn listen(
        address: SocketAddr,
        handler: Arc<dyn Handler>,
        tls: Option<TlsAcceptor>,
        limits: Limits,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BindError> {
        let refused = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, tls, connections: Arc::new(Connections { handler, observer, limits }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready; then finishes the requests in flight, as far as there is time for that.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, tls, connections, .. } = self;
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(connections.limits.connections));
        let mut tasks = JoinSet::new();
        let accept = async {
            // Nobody closes this semaphore.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let (stream, client) = next_connection(&listener, connections.observer.as_ref()).await;
                let (connections, tls, watcher) = (Arc::clone(&connections), tls.clone(), graceful.watcher());
                tasks.spawn(async move {
                    connections.serve(stream, client, tls, watcher).await;
                    drop(place);
                });
                while tasks.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop => {}
        }
        drop(listener);
        // What is not done in time is cut.
        _ = tokio::time::timeout(connections.limits.grace, graceful.shutdown()).await;
        tasks.shutdown().await;
    }
}

/// Waits for a connection, and goes on waiting when one fails.
async fn next_connection(listener: &TcpListener, observer: &dyn Observer) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            // The client went away before it was accepted: there may be others.
            Err(err) if matches!(err.kind(), ConnectionAborted | ConnectionReset | Interrupted) => {}
            Err(err) => {
                observer.trouble(&format!("cannot accept connections at the moment: {err}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Connections {
    async fn serve(&self, stream: TcpStream, client: SocketAddr, tls: Option<TlsAcceptor>, watcher: Watcher) {
        // Without it the end of a body would wait for the acknowledgement of its beginning. A socket that refuses is
        // about to fail anyway.
        _ = stream.set_nodelay(true);
        let stream = Impatient::new(stream, self.limits.write_timeout);
        match tls {
            None => self.serve_http(stream, client, watcher).await,
            Some(tls) => match tokio::time::timeout(self.limits.head_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve_http(stream, client, watcher).await,
                Ok(Err(err)) => self.observer.trouble(&format!("no TLS with {client}: {err}")),
                Err(_) => self.observer.trouble(&format!("no TLS with {client}: it took too long")),
            },
        }
    }

    async fn serve_http<S>(&self, stream: S, client: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.respond(request, client));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_buf_size(self.limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service);
        // It ends with an error when the client breaks off, which is the client's affair.
        _ = watcher.watch(connection).await;
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<WatchedBody>, handler::Cut> {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let path = head.uri.path_and_query().map_or_else(String::new, |path| path.as_str().to_owned());
        let answer = self.handler.answer(head, body, client).await?;
        let (parts, body) = answer.response.into_parts();
        let ended = Ended {
            observer: Arc::clone(&self.observer),
            client,
            method,
            path,
            begun,
            status: parts.status.as_u16(),
            failure: answer.failure,
            sent: 0,
            is_complete: false,
        };
        Ok(Response::from_parts(parts, WatchedBody::new(body, ended)))
    }
}
