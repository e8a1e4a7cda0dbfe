//! The settings of a workload's entry for incoming HTTP requests.
//!
//! What they mean is decided where they are read.

/// The keys of such an entry that a host follows. Others have no effect.
///
/// | key | meaning |
/// |---|---|
/// | `host` | the host that requests name, `*.example.com`, or `*` for all; [`DynamicRouter`](super::DynamicRouter) reads it |
/// | `host-aliases` | more of these, separated by commas |
/// | `instance-reuse` | how many requests one instance answers, one after another, before it is thrown away |
/// | `request-timeout` | how long a request may take until it has a response, for example `30s` |
pub const SETTINGS: &[&str] = &[HOST, HOST_ALIASES, INSTANCE_REUSE, REQUEST_TIMEOUT];

pub(crate) const HOST: &str = "host";
pub(crate) const HOST_ALIASES: &str = "host-aliases";
pub(crate) const INSTANCE_REUSE: &str = "instance-reuse";
pub(crate) const REQUEST_TIMEOUT: &str = "request-timeout";
