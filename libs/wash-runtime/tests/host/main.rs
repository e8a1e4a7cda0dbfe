//! The host through its public face: real components, real connections.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod abuse;
mod called_services;
mod code_cache;
mod config_and_logging;
mod failing;
mod hoarding;
mod languages;
mod lazy;
mod limits;
mod messaging;
mod outgoing;
mod plugins;
mod protocol;
mod replacing;
mod routing;
mod services;
mod serving;
mod siblings;
mod starting;
mod stopping;
#[cfg(all(feature = "wasi-blobstore", feature = "wasi-keyvalue"))]
mod storage;
mod support;
mod swapping;
mod threads;
mod timeouts;
mod tls;
mod upstream;
mod volumes;
#[cfg(feature = "wasip3")]
mod wasip3;
