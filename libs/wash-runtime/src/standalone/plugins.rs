//! The plugins of a host on one machine: everything that comes with the runtime, each for whoever asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::host::HostBuilder;
use crate::plugin::wasi_blobstore::Blobstore;
use crate::plugin::wasi_config::DynamicConfig;
use crate::plugin::wasi_keyvalue::KeyValue;
use crate::plugin::wasi_logging::TracingLogger;
use crate::plugin::wasmcloud_messaging::InMemoryMessaging;

/// Where storage may be, besides in memory.
#[derive(Clone, Debug, Default)]
pub struct StandardStorage {
    /// Directories of `wasi:keyvalue`.
    pub keyvalue: Vec<PathBuf>,
    /// Directories of `wasi:blobstore`.
    pub blobstore: Vec<PathBuf>,
    /// A database for both.
    #[cfg(feature = "wasmcloud-postgres")]
    pub postgres: Option<crate::plugin::wasmcloud_postgres::Postgres>,
}

/// Adds them all.
///
/// # Errors
/// A directory of the storage that cannot be made or opened, found by `downcast_ref` as the plugin's own error.
pub fn with_standard_plugins(builder: HostBuilder, storage: &StandardStorage) -> anyhow::Result<HostBuilder> {
    let mut keyvalue = KeyValue::new();
    for root in &storage.keyvalue {
        keyvalue = keyvalue.with_directory(root)?;
    }
    let mut blobstore = Blobstore::new();
    for root in &storage.blobstore {
        blobstore = blobstore.with_directory(root)?;
    }
    #[cfg(feature = "wasmcloud-postgres")]
    if let Some(postgres) = &storage.postgres {
        keyvalue = keyvalue.with_postgres(postgres);
        blobstore = blobstore.with_postgres(postgres);
    }
    builder
        .with_plugin(Arc::new(keyvalue))?
        .with_plugin(Arc::new(blobstore))?
        // The operator's hosts hand on the environment too, which is where its secrets are.
        .with_plugin(Arc::new(DynamicConfig::new(true)))?
        .with_plugin(Arc::new(TracingLogger::default()))?
        .with_plugin(Arc::new(InMemoryMessaging::default()))
}
