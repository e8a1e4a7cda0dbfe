//! Generations of one workload that share a service: while its components are replaced, the service goes on.
//!
//! A service that goes on was linked to the components of its own generation; its calls have to reach those of the
//! newest. Which generation that is, is noted here; who starts and ends generations is the host's business.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::ComponentExportIndex;

use super::linked::Linked;

/// All generations that share a service.
#[derive(Default)]
pub(crate) struct Lineage {
    newest: Mutex<Weak<Linked>>,
}

/// An interface that the service imports from one of its siblings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceImport {
    /// The name under which the service imports it.
    pub(crate) import: String,
    /// The exporting item.
    pub(crate) item: usize,
    /// The name under which it is exported.
    pub(crate) export: String,
}

/// The newest generation does not offer what the service calls. The host has checked that it does before it let the
/// service stay.
#[derive(Debug, thiserror::Error)]
#[error("no component of the workload exports `{function}` of `{import}` any more")]
struct Gone {
    import: String,
    function: String,
}

impl Linked {
    /// The generation whose components answer now.
    pub(crate) fn newest(self: &Arc<Self>) -> Arc<Self> {
        let newest = self.lineage.newest.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        newest.unwrap_or_else(|| Arc::clone(self))
    }

    /// From now on the service's calls come to this generation.
    pub(crate) fn take_over(self: &Arc<Self>) {
        *self.lineage.newest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(self);
    }

    /// The item and the function that a service of this lineage means.
    pub(crate) fn service_function(
        &self,
        import: &str,
        function: &str,
    ) -> wasmtime::Result<(usize, ComponentExportIndex)> {
        let found = self.service_imports.iter().find(|call| call.import == import).and_then(|call| {
            let component = self.items.get(call.item)?.code.inner();
            let interface = component.get_export_index(None, &call.export)?;
            Some((call.item, component.get_export_index(Some(&interface), function)?))
        });
        Ok(found.ok_or_else(|| Gone { import: import.to_string(), function: function.to_string() })?)
    }
}
