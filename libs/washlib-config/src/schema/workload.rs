//! The section `workload`: what the component may use and reach.

use std::collections::BTreeMap;

use crate::deserialize::{Field, Place, Shape, section};
use crate::error::ConfigError;
use crate::node::Node;
use crate::origin::{Origin, Sourced};

section! {
    /// What the component may use and reach.
    Camel Workload {
        /// The component's environment variables.
        environment: EnvironmentLayer,
        /// Values for `wasi:config`.
        config: BTreeMap<String, Sourced<String>>,
        /// Hosts that it may send HTTP requests to, such as `api.example.com`, `*.example.com:443` or `*`.
        allowed_hosts: Option<Sourced<Vec<String>>>,
        /// Host names that it may look up; none when there is no such list.
        allowed_ip_name_lookups: Option<Sourced<Vec<String>>>,
        /// Ports of this machine's loopback that it may reach, such as `5432` or `53/udp`; none when there is no such
        /// list.
        allowed_host_loopback_ports: Option<Sourced<Vec<String>>>,
    }
}

section! {
    /// Environment variables from several places; of the same name, the last of these counts.
    Camel EnvironmentLayer {
        /// Values written here.
        config: BTreeMap<String, Sourced<String>>,
        /// Names in the section `configs`.
        config_from: Option<Sourced<Vec<String>>>,
        /// Names in the section `secrets`.
        secret_from: Option<Sourced<Vec<String>>>,
    }
}

/// A workload without any key differs from none at all.
impl Field for Option<Workload> {
    const SHAPE: Shape = Shape::Compound;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        Workload::present(node, place).map(Some)
    }

    fn combine(self, lower: Self) -> Self {
        match (self, lower) {
            (Some(higher), Some(lower)) => Some(Field::combine(higher, lower)),
            (higher, lower) => higher.or(lower),
        }
    }

    fn origin(&self) -> Option<Origin> {
        self.as_ref().and_then(Field::origin)
    }
}
