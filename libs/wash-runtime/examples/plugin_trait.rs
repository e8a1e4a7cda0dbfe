//! The published guide's definition of a plugin. Whatever is a plugin of this crate's is one of that, too.
#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]
#![allow(dead_code, missing_docs, unreachable_pub, unused_variables, reason = "as it was published")]

use std::collections::HashSet;

use async_trait::async_trait;
use wash_runtime::engine::workload::{ResolvedWorkload, UnresolvedWorkload, WorkloadItem};
use wash_runtime::plugin;
use wash_runtime::plugin::wasi_config::DynamicConfig;
use wash_runtime::wit::{WitInterface, WitWorld};

mod published {
    use std::any::Any;

    use super::*;

    #[async_trait]
    pub trait HostPlugin: Any + Send + Sync + 'static {
        /// Returns a unique identifier for the plugin.
        /// Plugin IDs must be unique across all registered plugins.
        fn id(&self) -> &'static str;

        /// Returns the WIT world this plugin implements.
        /// The binding process only occurs if workloads require these interfaces.
        fn world(&self) -> WitWorld;

        /// Called during host initialization before accepting workloads.
        /// Use this for setup tasks like establishing connections.
        async fn start(&self) -> anyhow::Result<()> {
            Ok(())
        }

        /// Called when a workload begins binding to the plugin.
        /// Enables pre-binding validation and setup.
        async fn on_workload_bind(
            &self,
            workload: &UnresolvedWorkload,
            interfaces: HashSet<WitInterface>,
        ) -> anyhow::Result<()> {
            Ok(())
        }

        /// Called when configuring a specific component or service's linker.
        /// `item` is an enum — match on `WorkloadItem::Component` or `WorkloadItem::Service`.
        /// This is where you add your implementations to the linker.
        async fn on_workload_item_bind<'a>(
            &self,
            item: &mut WorkloadItem<'a>,
            interfaces: HashSet<WitInterface>,
        ) -> anyhow::Result<()> {
            Ok(())
        }

        /// Called after successful workload binding and resolution.
        async fn on_workload_resolved(&self, workload: &ResolvedWorkload, component_id: &str) -> anyhow::Result<()> {
            Ok(())
        }

        /// Called during unbinding or shutdown for cleanup.
        async fn on_workload_unbind(&self, workload_id: &str, interfaces: HashSet<WitInterface>) -> anyhow::Result<()> {
            Ok(())
        }

        /// Called during host shutdown for final cleanup.
        async fn stop(&self) -> anyhow::Result<()> {
            Ok(())
        }
    }
}

#[async_trait]
impl<P: plugin::HostPlugin> published::HostPlugin for P {
    fn id(&self) -> &'static str {
        plugin::HostPlugin::id(self)
    }

    fn world(&self) -> WitWorld {
        plugin::HostPlugin::world(self)
    }

    async fn start(&self) -> anyhow::Result<()> {
        plugin::HostPlugin::start(self).await
    }

    async fn on_workload_bind(
        &self,
        workload: &UnresolvedWorkload,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        plugin::HostPlugin::on_workload_bind(self, workload, interfaces).await
    }

    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        plugin::HostPlugin::on_workload_item_bind(self, item, interfaces).await
    }

    async fn on_workload_resolved(&self, workload: &ResolvedWorkload, component_id: &str) -> anyhow::Result<()> {
        plugin::HostPlugin::on_workload_resolved(self, workload, component_id).await
    }

    async fn on_workload_unbind(&self, workload_id: &str, interfaces: HashSet<WitInterface>) -> anyhow::Result<()> {
        plugin::HostPlugin::on_workload_unbind(self, workload_id, interfaces).await
    }

    async fn stop(&self) -> anyhow::Result<()> {
        plugin::HostPlugin::stop(self).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plugin: Box<dyn published::HostPlugin> = Box::new(DynamicConfig::new(false));
    plugin.start().await?;
    println!("Plugin: {}", plugin.id());
    plugin.stop().await
}
