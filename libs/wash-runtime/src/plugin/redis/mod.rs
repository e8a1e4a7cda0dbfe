//! Redis for the storage plugins: one server that several hosts share.
//!
//! It knows the connection; what stands on the server is for the backend of [`wasi_keyvalue`](super::wasi_keyvalue) to
//! know. One server is spoken to, not a cluster.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisConnectionInfo, RedisError as Failure};
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

mod address;

use address::Address;

use super::servers::Server;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an operation waits for a connection that others are making too.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take: then the server is taken for gone.
const UNANSWERED: Duration = Duration::from_secs(30);

/// Why a Redis server cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL means nothing. Its text is not told, because it may hold a password.
    #[error("the URL of the Redis server is not usable: {reason}")]
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
    #[error("cannot connect to the Redis server at {server}")]
    Connect {
        /// Host, port and database.
        server: String,
        /// What the system or the server said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A Redis server. Clones are cheap and share one connection.
///
/// The URL is `redis://user:password@host:port/database`, or `rediss://` for TLS; with TLS, `?tls_ca_path=` may name a PEM
/// file of authorities to trust besides those that browsers trust. How well data survive a crash of the server is for the
/// server's own configuration to say.
///
/// ```
/// use wash_runtime::plugin::redis::Redis;
/// use wash_runtime::plugin::wasi_keyvalue::KeyValue;
///
/// let redis = Redis::new("redis://127.0.0.1:6379")?;
/// // Entries that say `backend: redis` get it.
/// let keyvalue = KeyValue::new().with_redis(&redis);
/// # Ok::<(), wash_runtime::plugin::redis::RedisError>(())
/// ```
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    address: Address,
    runtime: OnceLock<Handle>,
    connection: Mutex<Option<Connection>>,
}

/// How many connections there have been.
static NUMBER: AtomicU64 = AtomicU64::new(0);

struct Connection {
    /// Tells it from those before it.
    number: u64,
    commands: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Redis {
    /// A server that is connected to when it is first needed.
    ///
    /// # Errors
    /// [`RedisError::Url`] and [`RedisError::Certificates`].
    pub fn new(url: &str) -> Result<Self, RedisError> {
        let (address, runtime, connection) = (Address::parse(url)?, OnceLock::new(), Mutex::new(None));
        Ok(Self(Arc::new(Inner { address, runtime, connection })))
    }

    /// Connects. Connections live on the runtime that this is called on.
    ///
    /// # Errors
    /// [`RedisError::Connect`].
    pub async fn prepare(&self) -> Result<(), RedisError> {
        self.live_on(&Handle::current());
        let source = match self.query::<String>(&::redis::cmd("PING")).await {
            Ok(_) => return Ok(()),
            // The server's own words, without those around them.
            Err(err) => match err.downcast::<Failure>() {
                Ok(failure) => failure.into(),
                Err(err) => err.into(),
            },
        };
        Err(RedisError::Connect { server: self.server().to_string(), source })
    }

    /// Where it is: host, port and database, no secrets.
    pub fn server(&self) -> &str {
        &self.0.address.server
    }

    /// The answer to a command that may be executed twice: once more, if the connection turns out to have ended.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> io::Result<T> {
        match self.query_once(command).await {
            Err(err) if has_ended(&err) => self.query_once(command).await,
            result => result,
        }
    }

    /// The answer to a command that must not be executed twice. If it fails, nobody knows whether it was.
    pub(crate) async fn query_once<T: FromRedisValue>(&self, command: &Cmd) -> io::Result<T> {
        let (number, mut commands) = self.commands().await?;
        let result = command.query_async(&mut commands).await;
        if let Err(err) = &result
            && (err.is_timeout() || err.is_unrecoverable_error())
        {
            self.forget(number).await;
        }
        result.map_err(io::Error::other)
    }

    async fn forget(&self, number: u64) {
        // Others may have made another one meanwhile.
        self.0.connection.lock().await.take_if(|connection| connection.number == number);
    }

    async fn commands(&self) -> io::Result<(u64, MultiplexedConnection)> {
        let commands = async {
            let mut connection = self.0.connection.lock().await;
            if let Some(connection) = connection.as_ref().filter(|connection| !connection.driver.is_finished()) {
                return Ok((connection.number, connection.commands.clone()));
            }
            let made = self.connect().await?;
            let connection = connection.insert(made);
            Ok((connection.number, connection.commands.clone()))
        };
        tokio::time::timeout(PATIENCE, commands).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn connect(&self) -> io::Result<Connection> {
        let inner = Arc::clone(&self.0);
        let runtime = self.0.runtime.get_or_init(Handle::current).clone();
        let drivers = runtime.clone();
        let connected = runtime.spawn(async move {
            tokio::time::timeout(CONNECT_TIMEOUT, inner.address.connect(&drivers))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        match connected.await {
            Ok(connected) => connected,
            // The runtime is shutting down, and whoever asked with it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Server for Redis {
    type Error = RedisError;

    fn at(url: &str) -> Result<Self, RedisError> {
        Self::new(url)
    }

    async fn reach(&self) -> Result<(), RedisError> {
        self.prepare().await
    }

    fn live_on(&self, runtime: &Handle) {
        _ = self.0.runtime.set(runtime.clone());
    }

    fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Whether it was the connection that failed, and not the command.
fn has_ended(err: &io::Error) -> bool {
    let failure = err.get_ref().and_then(|err| err.downcast_ref::<Failure>());
    failure.is_some_and(|err| err.is_unrecoverable_error())
}

impl Address {
    async fn connect(&self, runtime: &Handle) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return self.speak(stream, runtime).await };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(tls.clone()));
        self.speak(connector.connect(name, stream).await?, runtime).await
    }

    async fn speak<S>(&self, stream: S, runtime: &Handle) -> io::Result<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut who = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            who = who.set_username(user);
        }
        if let Some(password) = &self.password {
            who = who.set_password(password);
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(UNANSWERED));
        let connected = MultiplexedConnection::new_with_config(&who, stream, config).await;
        let (commands, driver) = connected.map_err(io::Error::other)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Connection { number, commands, driver: runtime.spawn(driver) })
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("server", &self.server()).finish_non_exhaustive()
    }
}
