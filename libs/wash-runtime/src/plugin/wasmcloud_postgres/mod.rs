//! PostgreSQL for the storage plugins: one database that several hosts share.
//!
//! It knows the connections and the tables; what stands in the tables is for the backends of
//! [`wasi_keyvalue`](super::wasi_keyvalue) and [`wasi_blobstore`](super::wasi_blobstore) to know. Guests see neither, and
//! no statement holds text of theirs.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

mod address;
mod schema;

use address::Address;

/// How long a connection may take to be made, and an operation to get one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a database cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL means nothing. Its text is not told, because it may hold a password.
    #[error("the URL of the database is not usable: {reason}")]
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
    #[error("cannot connect to the database at {server}")]
    Connect {
        /// Host, port and database.
        server: String,
        /// What the system or the server said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The tables could not be made or looked at.
    #[error("cannot set up tables in the database at {server}")]
    Tables {
        /// Host, port and database.
        server: String,
        /// What the server said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another release has made tables that this one does not know.
    #[error("the database at {server} has tables of version {found}, and this host knows version {known}")]
    Version {
        /// Host, port and database.
        server: String,
        /// The version that is there.
        found: i32,
        /// The version of this host.
        known: i32,
    },
}

/// A database. Clones are cheap and share their connections.
///
/// The URL is `postgres://user:password@host:port/database`, with these settings behind a `?` beside those of PostgreSQL
/// itself:
///
/// | setting | meaning |
/// |---|---|
/// | `pool_size` | connections at most, 10 |
/// | `sslmode` | `disable`, `prefer` (the default), `require`; `verify-ca` and `verify-full` are as `require`: a certificate is always checked, and so is its name |
/// | `sslrootcert` | a PEM file of authorities to trust besides those that browsers trust |
///
/// ```
/// use wash_runtime::plugin::wasi_keyvalue::KeyValue;
/// use wash_runtime::plugin::wasmcloud_postgres::Postgres;
///
/// let postgres = Postgres::new("postgres://wash@127.0.0.1:5432/wash?pool_size=4")?;
/// // Entries that say `backend: postgres` get it.
/// let keyvalue = KeyValue::new().with_postgres(&postgres);
/// # Ok::<(), wash_runtime::plugin::wasmcloud_postgres::PostgresError>(())
/// ```
#[derive(Clone)]
pub struct Postgres(Arc<Inner>);

struct Inner {
    pool: Pool,
    server: String,
    runtime: Arc<OnceLock<Handle>>,
}

impl Postgres {
    /// A database that is connected to when it is first needed.
    ///
    /// # Errors
    /// [`PostgresError::Url`] and [`PostgresError::Certificates`].
    pub fn new(url: &str) -> Result<Self, PostgresError> {
        let address = Address::parse(url)?;
        let runtime = Arc::<OnceLock<Handle>>::default();
        let connect = OnRuntime { tls: MakeRustlsConnect::new(address.tls), runtime: Arc::clone(&runtime) };
        // A connection that has failed is found out when it is used, and what may be repeated is.
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_connect(address.config, connect, settings))
            .max_size(address.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .build()
            .map_err(|err| PostgresError::Url { reason: err.to_string() })?;
        Ok(Self(Arc::new(Inner { pool, server: address.server, runtime })))
    }

    /// Connects, and makes the tables if they are not there: those of the schema `wash`. Connections live on the runtime
    /// that this is called on.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn prepare(&self) -> Result<(), PostgresError> {
        // The first one stays; it is the embedder's in any case.
        _ = self.0.runtime.set(Handle::current());
        let server = || self.0.server.clone();
        let mut client = self
            .0
            .pool
            .get()
            .await
            .map_err(|err| PostgresError::Connect { server: server(), source: Box::new(err) })?;
        match schema::prepare(&mut client).await {
            Ok(found) if found == schema::VERSION => Ok(()),
            Ok(found) => Err(PostgresError::Version { server: server(), found, known: schema::VERSION }),
            Err(err) => Err(PostgresError::Tables { server: server(), source: Box::new(err) }),
        }
    }

    /// Where it is: host, port and database, no secrets.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// A connection, for one operation.
    pub(crate) async fn client(&self) -> io::Result<Object> {
        self.0.pool.get().await.map_err(io::Error::other)
    }

    /// Does something where the connections live, which nobody waits for. It must end by itself.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = self.0.runtime.get() {
            runtime.spawn(task);
        }
    }

    /// The rows of a statement that may be executed twice: once more, if the connection turns out to have ended.
    pub(crate) async fn query(&self, statement: &str, parameters: Parameters<'_>) -> io::Result<Vec<Row>> {
        let client = self.client().await?;
        let rows = match query(&client, statement, parameters).await {
            Err(err) if err.is_closed() || client.is_closed() => {
                query(&self.replace(client).await?, statement, parameters).await
            }
            rows => rows,
        };
        rows.map_err(io::Error::other)
    }

    /// Executes a statement that may be executed twice, and returns how many rows it has changed.
    pub(crate) async fn execute(&self, statement: &str, parameters: Parameters<'_>) -> io::Result<u64> {
        let client = self.client().await?;
        let changed = match execute(&client, statement, parameters).await {
            Err(err) if err.is_closed() || client.is_closed() => {
                execute(&self.replace(client).await?, statement, parameters).await
            }
            changed => changed,
        };
        changed.map_err(io::Error::other)
    }

    /// Another connection, for one that has ended.
    async fn replace(&self, client: Object) -> io::Result<Object> {
        // It is no use to anybody, and others that were made before may be in the same state.
        drop(Object::take(client));
        _ = self.0.pool.retain(|client, _| !client.is_closed());
        self.client().await
    }
}

/// What a statement's `$1`, `$2`, ... stand for.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

async fn query(
    client: &Object,
    statement: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = client.prepare_cached(statement).await?;
    client.query(&statement, parameters).await
}

/// Executes a statement on a connection, which prepares it once.
pub(crate) async fn execute(
    client: &Object,
    statement: &str,
    parameters: Parameters<'_>,
) -> Result<u64, tokio_postgres::Error> {
    let statement = client.prepare_cached(statement).await?;
    client.execute(&statement, parameters).await
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("server", &self.0.server).finish_non_exhaustive()
    }
}

/// Connects on the runtime of the embedder: those of the workers that serve requests end before, and must not be held up.
struct OnRuntime {
    tls: MakeRustlsConnect,
    runtime: Arc<OnceLock<Handle>>,
}

type Connected = (tokio_postgres::Client, JoinHandle<()>);

impl Connect for OnRuntime {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<Connected, tokio_postgres::Error>> {
        let (config, tls) = (config.clone(), self.tls.clone());
        let runtime = self.runtime.get_or_init(Handle::current).clone();
        Box::pin(async move {
            let connections = runtime.clone();
            let connected = runtime.spawn(async move {
                let (client, connection) = config.connect(tls).await?;
                let driver = connections.spawn(async move {
                    if let Err(err) = connection.await {
                        tracing::warn!("a connection to the database ended: {err}");
                    }
                });
                Ok((client, driver))
            });
            match connected.await {
                Ok(connected) => connected,
                // The runtime is shutting down, and whoever asked with it.
                Err(_) => std::future::pending().await,
            }
        })
    }
}
