//! NATS for storage and messages: servers that several hosts share.
//!
//! It knows the connection; what is kept in streams, and which messages there are, is for
//! [`wasi_keyvalue`](super::wasi_keyvalue), [`wasi_blobstore`](super::wasi_blobstore) and
//! [`wasmcloud_messaging`](super::wasmcloud_messaging) to know.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectError, Event};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

mod address;
#[cfg(any(feature = "wasi-blobstore", feature = "wasi-keyvalue"))]
pub(crate) mod names;

use address::Address;

use super::servers::Server;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an operation waits for a connection that is being made anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer of the server may take.
const UNANSWERED: Duration = Duration::from_secs(30);

/// How long the client waits before it tries to connect again, at first and at most.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// Why NATS servers cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The URL means nothing. Its text is not told, because it may hold a password.
    #[error("the URL of the NATS server is not usable: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The file of certificates that the URL names cannot be used.
    #[error("cannot read the certificates in {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No connection came about.
    #[error("cannot connect to the NATS server at {server}")]
    Connect {
        /// Hosts and ports.
        server: String,
        /// What the system or the server said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server keeps nothing.
    #[error("the NATS server at {server} keeps no data: JetStream is not to be had there")]
    JetStream {
        /// Hosts and ports.
        server: String,
        /// What the server said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A NATS server, or several of one cluster. Clones are cheap and share one connection.
///
/// The URL is `nats://user:password@host:port`, `nats://token@host:port`, or `tls://` where the connection has to be
/// encrypted; several are separated by commas. `?tls_ca_path=` may name a PEM file of authorities to trust besides those
/// that browsers trust. Storage needs JetStream; messages do not.
///
/// ```
/// use wash_runtime::plugin::nats::Nats;
/// use wash_runtime::plugin::wasi_keyvalue::KeyValue;
///
/// let nats = Nats::new("nats://127.0.0.1:4222")?;
/// // Entries that say `backend: nats` get it.
/// let keyvalue = KeyValue::new().with_nats(&nats);
/// # Ok::<(), wash_runtime::plugin::nats::NatsError>(())
/// ```
#[derive(Clone)]
pub struct Nats(Arc<Inner>);

struct Inner {
    address: Address,
    runtime: OnceLock<Handle>,
    connection: Mutex<Option<Connection>>,
    is_connected: watch::Sender<bool>,
}

/// What the client offers; it connects again by itself.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
}

impl Nats {
    /// Servers that are connected to when they are first needed.
    ///
    /// # Errors
    /// [`NatsError::Url`] and [`NatsError::Certificates`].
    pub fn new(url: &str) -> Result<Self, NatsError> {
        let (address, is_connected) = (Address::parse(url)?, watch::Sender::new(false));
        let (runtime, connection) = (OnceLock::new(), Mutex::default());
        Ok(Self(Arc::new(Inner { address, runtime, connection, is_connected })))
    }

    /// Connects. Connections live on the runtime that this is called on.
    ///
    /// # Errors
    /// [`NatsError::Connect`].
    pub async fn prepare(&self) -> Result<(), NatsError> {
        self.live_on(&Handle::current());
        match self.once(|_| std::future::ready(Ok(()))).await {
            Ok(()) => Ok(()),
            Err(err) => Err(NatsError::Connect { server: self.server().to_string(), source: source(err) }),
        }
    }

    /// Connects, and checks that data can be kept.
    pub(crate) async fn prepare_storage(&self) -> Result<(), NatsError> {
        self.prepare().await?;
        // There is hardly such a stream; what counts is that somebody knows.
        let look = |connection: Connection| async move {
            match connection.jetstream.get_stream("wash-is-there-jetstream").await {
                Err(err) if !matches!(err.kind(), GetStreamErrorKind::JetStream(err) if err.code() == 404) => {
                    Err(io::Error::other(err))
                }
                _ => Ok(()),
            }
        };
        match self.repeated(look).await {
            Ok(()) => Ok(()),
            Err(err) => Err(NatsError::JetStream { server: self.server().to_string(), source: source(err) }),
        }
    }

    /// Where it is: hosts and ports, no secrets.
    pub fn server(&self) -> &str {
        &self.0.address.server
    }

    /// Does something that may be done twice: once more, if the connection ends meanwhile.
    pub(crate) async fn repeated<T, F>(&self, operation: impl Fn(Connection) -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        match self.once(&operation).await {
            Err(err) if err.kind() == io::ErrorKind::NotConnected => self.once(&operation).await,
            result => result,
        }
    }

    /// Does something that must not be done twice. If it fails, nobody knows whether it was done.
    pub(crate) async fn once<T, F>(&self, operation: impl FnOnce(Connection) -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let connection = self.connection().await?;
        let mut is_connected = self.0.is_connected.subscribe();
        let waited = tokio::time::timeout(PATIENCE, is_connected.wait_for(|is_connected| *is_connected)).await.is_ok();
        if !waited && connection.client.connection_state() != State::Connected {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // The client would wait for an answer that cannot come any more.
        tokio::select! {
            result = operation(connection) => result,
            _ = is_connected.wait_for(|is_connected| !*is_connected) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn connection(&self) -> io::Result<Connection> {
        let mut connection = self.0.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let inner = Arc::clone(&self.0);
        let runtime = self.0.runtime.get_or_init(Handle::current).clone();
        match runtime.spawn(async move { inner.connect().await }).await {
            Ok(connected) => Ok(connection.insert(connected.map_err(io::Error::other)?).clone()),
            // The runtime is shutting down, and whoever asked with it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Inner {
    async fn connect(&self) -> Result<Connection, ConnectError> {
        let is_connected = self.is_connected.clone();
        let options = self.address.options().name("wash").connection_timeout(CONNECT_TIMEOUT);
        let options = options.request_timeout(Some(UNANSWERED)).reconnect_delay_callback(delay);
        let server = self.address.server.clone();
        let options = options.event_callback(move |event| {
            match &event {
                Event::Connected => _ = is_connected.send_replace(true),
                Event::Disconnected | Event::Closed => _ = is_connected.send_replace(false),
                Event::SlowConsumer(_) => {
                    tracing::warn!(server, "messages come faster than they are taken, some are lost")
                }
                event => tracing::debug!(server, "the connection to NATS: {event}"),
            }
            std::future::ready(())
        });
        let client = options.connect(&self.address.servers).await?;
        self.is_connected.send_replace(client.connection_state() == State::Connected);
        let jetstream = jetstream::new(client.clone());
        Ok(Connection { client, jetstream })
    }
}

fn delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_DELAY * 2_u32.pow(doublings)).min(LONGEST_DELAY)
}

/// The words alone: those of the client have their causes in them.
fn source(err: io::Error) -> Box<dyn Error + Send + Sync> {
    err.to_string().into()
}

impl Server for Nats {
    type Error = NatsError;

    fn at(url: &str) -> Result<Self, NatsError> {
        Self::new(url)
    }

    async fn reach(&self) -> Result<(), NatsError> {
        self.prepare().await
    }

    fn live_on(&self, runtime: &Handle) {
        _ = self.0.runtime.set(runtime.clone());
    }

    fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats").field("server", &self.server()).finish_non_exhaustive()
    }
}
