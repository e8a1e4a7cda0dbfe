//! The workload whose place a new one takes, and whether its service can go on in the new one.
//!
//! It decides only. What cannot be told for certain is a reason to start the service again.

use std::sync::Arc;

use super::imports::Plan;
use crate::engine::UnresolvedWorkload;
use crate::engine::lineage::Lineage;
use crate::engine::linked::Linked;
use crate::engine::service_calls::ServiceCalls;
use crate::engine::siblings;
use crate::engine::sockets::VirtualNetwork;
use crate::types::{LocalResources, Volume, VolumeType, Workload};
use crate::wit::WitInterface;

/// On what terms a service runs, besides its code.
#[derive(Debug, PartialEq)]
pub(in crate::host) struct ServiceTerms {
    resources: LocalResources,
    max_restarts: u64,
    /// The volumes that it mounts.
    volumes: Vec<Volume>,
    host_interfaces: Vec<WitInterface>,
}

/// The workload whose place is taken.
pub(in crate::host) struct Predecessor {
    linked: Arc<Linked>,
    terms: Arc<ServiceTerms>,
}

impl ServiceTerms {
    /// The terms of a workload's service, if it has one.
    pub(in crate::host) fn of(workload: &Workload) -> Option<Self> {
        let service = workload.service.as_ref()?;
        let resources = service.local_resources.clone();
        let mounted = |volume: &&Volume| resources.volume_mounts.iter().any(|mount| mount.name == volume.name);
        Some(Self {
            volumes: workload.volumes.iter().filter(mounted).cloned().collect(),
            host_interfaces: workload.host_interfaces.clone(),
            max_restarts: service.max_restarts,
            resources,
        })
    }

    /// Whether they are the same for a service that imports and exports these interfaces.
    fn are_the_same_to(&self, other: &Self, service: &[WitInterface]) -> bool {
        let concerns = |entry: &&WitInterface| service.iter().any(|interface| interface.same_package(entry));
        let entries = self.host_interfaces.iter().filter(concerns);
        self.resources == other.resources
            && self.max_restarts == other.max_restarts
            && self.volumes == other.volumes
            && entries.eq(other.host_interfaces.iter().filter(concerns))
            // A directory that goes with its workload is another one in the next.
            && !self.volumes.iter().any(|volume| matches!(volume.volume_type, VolumeType::EmptyDir(_)))
    }
}

impl Predecessor {
    /// A running workload whose service is at work.
    pub(in crate::host) fn new(linked: Arc<Linked>, terms: Arc<ServiceTerms>) -> Self {
        Self { linked, terms }
    }

    /// Whether the service of a new workload would do the same as the one at work, in the same surroundings, and can
    /// reach the new components as it reached the old ones.
    pub(super) fn service_can_stay(&self, terms: Option<&ServiceTerms>, new: &UnresolvedWorkload, plan: &Plan) -> bool {
        let Some(((terms, service), old)) = terms.zip(new.service.as_ref()).zip(self.linked.service()) else {
            return false;
        };
        let component = service.component();
        let names = [component.imports(), component.exports()].concat();
        let world: Vec<WitInterface> = names.iter().filter_map(|name| name.parse().ok()).collect();
        // The engine for WASI 0.3 compiles the same bytes to other code.
        if !wasmtime::Engine::same(self.linked.engine().inner(), new.engine.inner()) {
            return false;
        }
        if self.linked.items[old].code.digest() != component.digest() || !self.terms.are_the_same_to(terms, &world) {
            return false;
        }
        let index = new.components.len();
        let calls: Vec<_> = plan.siblings.iter().filter(|link| link.importer == index).collect();
        let known = |import: &String| self.linked.service_imports.iter().any(|call| call.import == *import);
        calls.len() == self.linked.service_imports.len()
            && calls.iter().all(|call| {
                let exporter = new.components.get(call.exporter).map(|component| component.component().inner());
                known(&call.import) && exporter.is_some_and(|it| siblings::passes_values_alone(it, &call.export))
            })
    }

    /// The loopback that the service listens on.
    pub(super) fn network(&self) -> Arc<VirtualNetwork> {
        Arc::clone(&self.linked.network)
    }

    /// The line before a service that is called.
    pub(super) fn service_calls(&self) -> Option<Arc<ServiceCalls>> {
        self.linked.service_calls.clone()
    }

    pub(super) fn lineage(&self) -> Arc<Lineage> {
        Arc::clone(&self.linked.lineage)
    }
}
