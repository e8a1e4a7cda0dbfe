//! Registries as the configuration of wash describes them.
//!
//! The client is that of [`washlib_oci`], which is here under the same names. This crate adds what a tool needs around it:
//! settings of configuration and environment, and WIT packages. No command line, no printing, no WebAssembly runtime.
//! Reads no environment variable that its caller did not pass in.
//!
//! # Pulling a component
//!
//! A tool makes [`Settings`] of its configuration and environment once, puts its flags on top, and keeps one [`Client`].
//! Pulling verifies what the user's configuration demands to be signed.
//!
//! ```no_run
//! use std::path::Path;
//! use washlib_config::{Environment, Oci};
//! use washlib_registry::{Client, PullOptions, PullPolicy, Reference, Unwatched, configuration};
//!
//! # async fn pull(oci: &Oci) -> Result<(), Box<dyn std::error::Error>> {
//! let environment: Environment = std::env::vars_os().collect();
//! let place = configuration::Place { root: Path::new("."), environment: &environment };
//! let client = Client::new(configuration::settings(oci, place)?)?;
//! let reference: Reference = "ghcr.io/acme/hello:1.2.0".parse()?;
//! let options = PullOptions { policy: PullPolicy::IfNotPresent, ..PullOptions::default() };
//! let component = client.pull_component(&reference, &options, &Unwatched).await?;
//! let bytes = component.read()?;
//! # drop(bytes);
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `wit`, the module `wit` fetches and publishes WIT packages.

pub mod configuration;
#[cfg(feature = "wit")]
pub mod wit;

pub use washlib_oci::*;
