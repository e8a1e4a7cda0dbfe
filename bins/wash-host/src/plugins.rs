//! The plugins of a standalone host: everything that comes with the runtime, each for whoever asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use wash_runtime::host::HostBuilder;
use wash_runtime::plugin::wasi_blobstore::Blobstore;
use wash_runtime::plugin::wasi_keyvalue::KeyValue;
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
pub(crate) fn add(builder: HostBuilder, roots: &StorageRoots) -> Result<HostBuilder, CommandError> {
    let mut keyvalue = KeyValue::new();
    for root in roots.keyvalue.iter().chain(&roots.documents) {
        keyvalue = keyvalue.with_directory(root).map_err(CommandError::failure)?;
    }
    let mut blobstore = Blobstore::new();
    for root in roots.blobstore.iter().chain(&roots.documents) {
        blobstore = blobstore.with_directory(root).map_err(CommandError::failure)?;
    }
    let builder = builder.with_plugin(Arc::new(keyvalue)).map_err(command_error::host)?;
    builder.with_plugin(Arc::new(blobstore)).map_err(command_error::host)
}
