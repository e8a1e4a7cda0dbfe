//! The plugins of a host on one machine: everything that comes with the runtime, each for whoever asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::host::HostBuilder;
use crate::plugin::wasi_blobstore::Blobstore;
use crate::plugin::wasi_config::DynamicConfig;
use crate::plugin::wasi_keyvalue::KeyValue;
use crate::plugin::wasi_logging::TracingLogger;
use crate::plugin::wasmcloud_messaging::Messaging;

/// Where storage and messages may be, besides in memory.
#[derive(Clone, Debug, Default)]
pub struct StandardStorage {
    /// Directories of `wasi:keyvalue`.
    pub keyvalue: Vec<PathBuf>,
    /// Directories of `wasi:blobstore`.
    pub blobstore: Vec<PathBuf>,
    /// A database for both.
    #[cfg(feature = "wasmcloud-postgres")]
    pub postgres: Option<crate::plugin::wasmcloud_postgres::Postgres>,
    /// A NATS server for storage and messages.
    #[cfg(feature = "nats")]
    pub nats: Option<crate::plugin::nats::Nats>,
    /// A NATS server for `wasi:keyvalue`, where it is not that for everything.
    #[cfg(feature = "nats")]
    pub keyvalue_nats: Option<crate::plugin::nats::Nats>,
    /// A Redis server for `wasi:keyvalue`.
    #[cfg(feature = "redis")]
    pub redis: Option<crate::plugin::redis::Redis>,
}

/// Adds them all.
///
/// # Errors
/// A directory of the storage that cannot be made or opened, found by `downcast_ref` as the plugin's own error.
pub fn with_standard_plugins(builder: HostBuilder, storage: &StandardStorage) -> anyhow::Result<HostBuilder> {
    // Whoever runs a host like this one knows what it runs, and its documents open the network to components anyhow.
    let mut keyvalue = KeyValue::new().with_servers_by_url();
    for root in &storage.keyvalue {
        keyvalue = keyvalue.with_directory(root)?;
    }
    let mut blobstore = Blobstore::new().with_servers_by_url();
    for root in &storage.blobstore {
        blobstore = blobstore.with_directory(root)?;
    }
    #[cfg(feature = "wasmcloud-postgres")]
    if let Some(postgres) = &storage.postgres {
        keyvalue = keyvalue.with_postgres(postgres);
        blobstore = blobstore.with_postgres(postgres);
    }
    #[cfg(feature = "redis")]
    if let Some(redis) = &storage.redis {
        keyvalue = keyvalue.with_redis(redis);
    }
    #[cfg_attr(not(feature = "nats"), expect(unused_mut, reason = "there is no server to add"))]
    let mut messaging = Messaging::default().with_servers_by_url();
    #[cfg(feature = "nats")]
    if let Some(nats) = storage.keyvalue_nats.as_ref().or(storage.nats.as_ref()) {
        keyvalue = keyvalue.with_nats(nats);
    }
    #[cfg(feature = "nats")]
    if let Some(nats) = &storage.nats {
        blobstore = blobstore.with_nats(nats);
        messaging = messaging.with_nats(nats);
    }
    builder
        .with_plugin(Arc::new(keyvalue))?
        .with_plugin(Arc::new(blobstore))?
        // The operator's hosts hand on the environment too, which is where its secrets are.
        .with_plugin(Arc::new(DynamicConfig::new(true)))?
        .with_plugin(Arc::new(TracingLogger::default()))?
        .with_plugin(Arc::new(messaging))
}
