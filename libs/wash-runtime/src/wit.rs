//! Names of WIT interfaces as workloads ask for them.
//!
//! It only describes; what a host provides is decided where components are linked.

use std::collections::{HashMap, HashSet};
use std::fmt;

/// Interfaces of one WIT package that a workload asks its host for, for example `wasi:http/incoming-handler`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitInterface {
    /// The package's namespace, for example `wasi`.
    pub namespace: String,
    /// The package's name, for example `http`.
    pub package: String,
    /// Names of interfaces in that package.
    pub interfaces: HashSet<String>,
    /// The package's version; `None` accepts any.
    pub version: Option<semver::Version>,
    /// Settings for whoever provides the interface.
    pub config: HashMap<String, String>,
    /// Tells several providers of the same interface apart.
    pub name: Option<String>,
}

/// `namespace:package/one,two@version`, the interfaces sorted by name.
impl fmt::Display for WitInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.package)?;
        if !self.interfaces.is_empty() {
            let mut interfaces: Vec<&str> = self.interfaces.iter().map(String::as_str).collect();
            interfaces.sort_unstable();
            write!(f, "/{}", interfaces.join(","))?;
        }
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        Ok(())
    }
}
