//! Plugins: what a host offers to guests beyond WASI's core interfaces and HTTP.
//!
//! A plugin adds host functions to the linkers of the components that need them. It is compiled into the program that
//! embeds the host; nothing here loads one from elsewhere.

#[cfg(any(feature = "wasi-blobstore", feature = "wasi-keyvalue"))]
mod storage;
#[cfg(feature = "wasi-blobstore")]
pub mod wasi_blobstore;
#[cfg(feature = "wasi-keyvalue")]
pub mod wasi_keyvalue;

use std::any::Any;
use std::collections::HashSet;

use async_trait::async_trait;

use crate::engine::workload::{ResolvedWorkload, UnresolvedWorkload, WorkloadItem};
use crate::wit::{WitInterface, WitWorld};

mod guest_text;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "nats", feature = "redis", feature = "wasmcloud-postgres"))]
mod server_tls;
#[cfg(any(feature = "nats", feature = "redis"))]
mod server_url;
#[cfg(any(feature = "nats", feature = "redis", feature = "wasi-blobstore", feature = "wasi-keyvalue"))]
mod servers;
mod token_bucket;
#[cfg(feature = "wasi-config")]
pub mod wasi_config;
#[cfg(feature = "wasi-logging")]
pub mod wasi_logging;
pub mod wasmcloud_messaging;
#[cfg(feature = "wasmcloud-postgres")]
pub mod wasmcloud_postgres;

/// What becomes of a workload's interfaces when a host loads the workload only while requests want it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Attachment {
    /// The plugin calls the workload by itself, with messages for example: the workload is loaded from its start on.
    Calls,
    /// The plugin keeps something for the workload that goes when it is unbound: once loaded, it stays loaded.
    Keeps,
    /// Unbound and bound again, the workload finds everything as it was.
    Restorable,
}

/// An extension of a host. Its methods are called in the order of their declaration.
#[async_trait]
pub trait HostPlugin: Any + Send + Sync + 'static {
    /// Names the plugin. No two plugins of one host may have the same id.
    fn id(&self) -> &'static str;

    /// The interfaces it provides to guests (`exports`) and calls on guests (`imports`). A workload that needs none of
    /// them never meets the plugin.
    fn world(&self) -> WitWorld;

    /// The host starts; it accepts no workload yet.
    ///
    /// # Errors
    /// Whatever keeps the plugin from working; the host then does not start.
    async fn start(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// A workload asks for `interfaces`: those of its `host_interfaces` that this plugin's world covers, with their
    /// names and settings. Called once for each workload.
    ///
    /// # Errors
    /// Whatever is wrong with the settings; the workload then does not start.
    async fn on_workload_bind(
        &self,
        workload: &UnresolvedWorkload,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        _ = (workload, interfaces);
        Ok(())
    }

    /// One of the workload's components, or its service, imports or exports some of `interfaces`. This is where the
    /// plugin adds its functions to the linker.
    ///
    /// # Errors
    /// Whatever keeps it from linking; the workload then does not start.
    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        _ = (item, interfaces);
        Ok(())
    }

    /// The workload is linked and has been proven to start. Called once for each item that the plugin is bound to.
    ///
    /// # Errors
    /// Whatever keeps it from serving the workload, which then does not start.
    async fn on_workload_resolved(&self, workload: &ResolvedWorkload, component_id: &str) -> anyhow::Result<()> {
        _ = (workload, component_id);
        Ok(())
    }

    /// Whether a workload that asks for `interfaces` can be bound late, and unbound while nobody uses it. By default it
    /// can be bound late unless the plugin calls one of them, and is not unbound until it stops.
    fn attachment(&self, interfaces: &HashSet<WitInterface>) -> Attachment {
        let called = self.world().imports;
        let is_called = |entry: &WitInterface| {
            entry.interfaces.iter().any(|name| called.iter().any(|interface| interface.covers(entry, name)))
        };
        if interfaces.iter().any(is_called) { Attachment::Calls } else { Attachment::Keeps }
    }

    /// Another workload has taken this one's place: it finishes what it has begun, and gets nothing that comes from now
    /// on. It stops later. Must not block.
    fn on_workload_superseded(&self, workload_id: &str) {
        _ = workload_id;
    }

    /// The workload has stopped, or failed to start after it was bound.
    ///
    /// # Errors
    /// Recorded by the host; the workload is gone all the same.
    async fn on_workload_unbind(&self, workload_id: &str, interfaces: HashSet<WitInterface>) -> anyhow::Result<()> {
        _ = (workload_id, interfaces);
        Ok(())
    }

    /// The host stops; all workloads are gone. What takes longer than three seconds is abandoned.
    ///
    /// # Errors
    /// Recorded by the host, which stops all the same.
    async fn stop(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Wasmtime's errors carry their causes but are no [`std::error::Error`].
pub(crate) fn wasmtime_error(err: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(err.into())
}
