//! The plugins of a host on one machine: everything that comes with the runtime, each for whoever asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::host::HostBuilder;
use crate::plugin::wasi_blobstore::Blobstore;
use crate::plugin::wasi_config::DynamicConfig;
use crate::plugin::wasi_keyvalue::KeyValue;
use crate::plugin::wasi_logging::TracingLogger;
use crate::plugin::wasmcloud_messaging::InMemoryMessaging;

/// Directories that storage on the file system may be in.
#[derive(Clone, Debug, Default)]
pub struct StorageRoots {
    /// Those of `wasi:keyvalue`.
    pub keyvalue: Vec<PathBuf>,
    /// Those of `wasi:blobstore`.
    pub blobstore: Vec<PathBuf>,
}

/// Adds them all.
///
/// # Errors
/// A directory of the roots that cannot be made or opened, found by `downcast_ref` as the plugin's own error.
pub fn with_standard_plugins(builder: HostBuilder, roots: &StorageRoots) -> anyhow::Result<HostBuilder> {
    let mut keyvalue = KeyValue::new();
    for root in &roots.keyvalue {
        keyvalue = keyvalue.with_directory(root)?;
    }
    let mut blobstore = Blobstore::new();
    for root in &roots.blobstore {
        blobstore = blobstore.with_directory(root)?;
    }
    builder
        .with_plugin(Arc::new(keyvalue))?
        .with_plugin(Arc::new(blobstore))?
        // The operator's hosts hand on the environment too, which is where its secrets are.
        .with_plugin(Arc::new(DynamicConfig::new(true)))?
        .with_plugin(Arc::new(TracingLogger::default()))?
        .with_plugin(Arc::new(InMemoryMessaging::default()))
}
