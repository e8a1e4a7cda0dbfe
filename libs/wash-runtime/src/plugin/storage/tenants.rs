//! Which namespaces have workloads bound to a plugin.
//!
//! It keeps no data of theirs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bound workloads by id, with their namespaces.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    namespaces: Mutex<HashMap<String, String>>,
}

impl Tenants {
    pub(crate) fn bind(&self, workload_id: &str, namespace: &str) {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.insert(workload_id.to_string(), namespace.to_string());
    }

    /// The workload's namespace, if this was the last workload in it.
    pub(crate) fn unbind(&self, workload_id: &str) -> Option<String> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = namespaces.remove(workload_id)?;
        (!namespaces.values().any(|other| *other == namespace)).then_some(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_workload_takes_the_namespace_with_it() {
        let tenants = Tenants::default();
        tenants.bind("old", "team");
        tenants.bind("new", "team");
        assert_eq!(tenants.unbind("old"), None);
        assert_eq!(tenants.unbind("new"), Some("team".to_string()));
        assert_eq!(tenants.unbind("new"), None);
    }
}
