//! The plugins of a standalone host: everything that comes with the runtime, each for whoever asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use wash_runtime::host::HostBuilder;
use wash_runtime::plugin::wasi_blobstore::Blobstore;
use wash_runtime::plugin::wasi_config::DynamicConfig;
use wash_runtime::plugin::wasi_keyvalue::KeyValue;
use wash_runtime::plugin::wasi_logging::TracingLogger;
use wash_runtime::plugin::wasmcloud_messaging::InMemoryMessaging;
use wash_runtime::plugin::wasmcloud_postgres::Postgres;
use washlib_cli::CommandError;

use crate::command_error;

/// Directories that storage on the file system may be in.
#[derive(Clone, Debug, Default)]
pub(crate) struct StorageRoots {
    /// That of `--keyvalue`.
    pub(crate) keyvalue: Option<PathBuf>,
    /// That of `--blobstore`.
    pub(crate) blobstore: Option<PathBuf>,
    /// Those that documents may name.
    pub(crate) documents: Vec<PathBuf>,
}

/// Adds them all.
pub(crate) fn add(
    builder: HostBuilder,
    roots: &StorageRoots,
    postgres: Option<&Postgres>,
) -> Result<HostBuilder, CommandError> {
    let mut keyvalue = KeyValue::new();
    for root in roots.keyvalue.iter().chain(&roots.documents) {
        keyvalue = keyvalue.with_directory(root).map_err(CommandError::failure)?;
    }
    let mut blobstore = Blobstore::new();
    for root in roots.blobstore.iter().chain(&roots.documents) {
        blobstore = blobstore.with_directory(root).map_err(CommandError::failure)?;
    }
    if let Some(postgres) = postgres {
        keyvalue = keyvalue.with_postgres(postgres);
        blobstore = blobstore.with_postgres(postgres);
    }
    let add_all = || {
        builder
            .with_plugin(Arc::new(keyvalue))?
            .with_plugin(Arc::new(blobstore))?
            // The operator's hosts hand on the environment too, which is where its secrets are.
            .with_plugin(Arc::new(DynamicConfig::new(true)))?
            .with_plugin(Arc::new(TracingLogger::default()))?
            .with_plugin(Arc::new(InMemoryMessaging::default()))
    };
    add_all().map_err(command_error::host)
}
