//! The section `host`: host plugins and the ports they declare.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::deserialize::{Place, Shape, Value, section};
use crate::error::ConfigError;
use crate::node::Node;
use crate::origin::Sourced;
use crate::values::one_of;

section! {
    /// What a host loads on this machine.
    Camel Host {
        /// Components that implement interfaces for workloads on the host's side.
        host_plugins: Option<Sourced<Vec<HostPlugin>>>,
    }
}

section! {
    /// A component that implements interfaces for workloads on the host's side.
    Camel HostPlugin {
        /// Its name on the host.
        id: Sourced<String>,
        /// The component's file; either this or `image`.
        file: Option<Sourced<PathBuf>>,
        /// The component's OCI reference; either this or `file`.
        image: Option<Sourced<String>>,
        /// When to pull `image`.
        pull_policy: Option<Sourced<PullPolicy>>,
        /// How often it is started again after a failure.
        max_restarts: Option<Sourced<u32>>,
        /// The digest that `image` must have, such as `sha256:…`.
        expected_digest: Option<Sourced<String>>,
        /// Values for `wasi:config`.
        config: BTreeMap<String, Sourced<String>>,
        /// Names in the section `configs`, whose values are merged over `config`.
        config_from: Option<Sourced<Vec<String>>>,
        /// Names in the section `secrets`, whose values are merged over all others.
        secret_from: Option<Sourced<Vec<String>>>,
        /// Hosts that it may send HTTP requests to; none when there is no such list.
        allowed_hosts: Option<Sourced<Vec<String>>>,
        /// Host names that it may look up; none when there is no such list.
        allowed_ip_name_lookups: Option<Sourced<Vec<String>>>,
        /// Ports that it listens on.
        ports: Option<Sourced<Vec<DeclaredPort>>>,
    }
}

section! {
    /// A port that a service or a host plugin listens on.
    Camel DeclaredPort {
        /// Its name, for messages.
        name: Sourced<String>,
        /// The port that the component's own code binds.
        port: Sourced<u16>,
        /// The transport; by default TCP.
        protocol: Option<Sourced<Protocol>>,
        /// The host's port that connections come in on; excludes `bind`.
        publish: Option<Sourced<u16>>,
        /// The address of this machine that the component binds itself; excludes `publish`.
        bind: Option<Sourced<IpAddr>>,
    }
}

/// When to pull an image from its registry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PullPolicy {
    /// `always`: each time.
    Always,
    /// `ifNotPresent`: when it is not in the cache.
    #[default]
    IfNotPresent,
    /// `never`: it must be in the cache.
    Never,
}

impl Value for PullPolicy {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let words = [("always", Self::Always), ("ifNotPresent", Self::IfNotPresent), ("never", Self::Never)];
        one_of(node, place, &words)
    }
}

/// The transport of a port.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// `TCP`.
    #[default]
    Tcp,
    /// `UDP`.
    Udp,
}

impl Value for Protocol {
    const SHAPE: Shape = Shape::Single;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        one_of(node, place, &[("TCP", Self::Tcp), ("UDP", Self::Udp)])
    }
}
