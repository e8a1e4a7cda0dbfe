//! A registry for OCI artifacts: the distribution specification 1.1 over image layouts on disk.
//!
//! It is made for development and for tests: on loopback unless told otherwise, one process or several on one folder,
//! and nothing to set up. It prints nothing: what happens is told to an [`Observer`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use washlib_registry_server::{RegistryServer, Store};
//!
//! let server = RegistryServer::builder(Store::open("registry")?).bind("127.0.0.1:5000".parse()?).await?;
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod api;
mod name;
#[cfg(feature = "quirks")]
pub mod quirks;
mod server;
mod store;

pub use name::{Algorithm, Digest, NameError, Reference, Repository, Tag};
pub use server::{
    BindError, Builder, Credentials, Exposure, Limits, Observer, RegistryServer, RequestRecord, TlsError, TlsFiles,
};
pub use store::{OpenError, Store, StoreError};
