//! The plugins that know of a workload, and what they are told of its life.
//!
//! Which plugins these are was decided before.

use super::StartError;
use super::imports::PluginLink;
use crate::engine::workload::{Loss, ResolvedWorkload};
use crate::plugin::Attachment;

/// The plugins that a workload is bound to.
pub(in crate::host) struct BoundPlugins {
    pub(super) workload_id: String,
    pub(super) links: Vec<PluginLink>,
}

impl BoundPlugins {
    /// What would be lost if the plugins were told that the workload is gone, and then that it is there again.
    pub(super) fn loss(&self) -> Loss {
        let is_restorable = |link: &PluginLink| link.plugin.attachment(&link.interfaces) == Attachment::Restorable;
        if self.links.iter().all(is_restorable) { Loss::Nothing } else { Loss::Something }
    }

    pub(super) async fn resolved(&self, workload: &ResolvedWorkload) -> Result<(), StartError> {
        for link in &self.links {
            for index in &link.items {
                let Some(item) = workload.linked().items.get(*index) else { continue };
                link.plugin
                    .on_workload_resolved(workload, &item.id)
                    .await
                    .map_err(|source| StartError::Plugin { plugin: link.plugin.id(), source })?;
            }
        }
        Ok(())
    }

    /// Tells the plugins that another workload has taken this one's place.
    pub(in crate::host) fn superseded(&self) {
        for link in &self.links {
            link.plugin.on_workload_superseded(&self.workload_id);
        }
    }

    /// Tells the plugins that the workload is gone, the last one first.
    pub(in crate::host) async fn unbind(self) {
        for link in self.links.into_iter().rev() {
            if let Err(err) = link.plugin.on_workload_unbind(&self.workload_id, link.interfaces).await {
                tracing::warn!(workload_id = self.workload_id, plugin = link.plugin.id(), "unbinding failed: {err:#}");
            }
        }
    }
}
