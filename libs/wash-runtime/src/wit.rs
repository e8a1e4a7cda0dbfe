//! Names of WIT interfaces: what workloads ask for, what plugins provide, what components import and export.
//!
//! It only describes and compares; what a host provides is decided where components are linked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use semver::Version;
use thiserror::Error;

/// What something imports and exports, as sets of interfaces.
///
/// A plugin's world lists what it provides to guests under `exports`, and what it calls on guests under `imports`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WitWorld {
    /// Interfaces that it needs from others.
    pub imports: HashSet<WitInterface>,
    /// Interfaces that it offers to others.
    pub exports: HashSet<WitInterface>,
}

/// Interfaces of one WIT package, for example `wasi:http/incoming-handler`.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct WitInterface {
    /// The package's namespace, for example `wasi`.
    pub namespace: String,
    /// The package's name, for example `http`.
    pub package: String,
    /// Names of interfaces in that package.
    pub interfaces: HashSet<String>,
    /// The package's version; `None` accepts any.
    pub version: Option<Version>,
    /// Settings for whoever provides the interface.
    pub config: HashMap<String, String>,
    /// Tells several providers of the same package apart. Guests give it where they open a resource.
    pub name: Option<String>,
}

/// The values of settings are left out: a URL may hold a password.
impl fmt::Debug for WitInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: BTreeSet<&String> = self.config.keys().collect();
        f.debug_struct("WitInterface")
            .field("namespace", &self.namespace)
            .field("package", &self.package)
            .field("interfaces", &self.interfaces)
            .field("version", &self.version)
            .field("config", &settings)
            .field("name", &self.name)
            .finish()
    }
}

/// Equal interfaces have equal hashes; the order of names and settings, which sets and maps do not keep, plays no part.
impl Hash for WitInterface {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.namespace.hash(state);
        self.package.hash(state);
        self.version.hash(state);
        self.name.hash(state);
        self.interfaces.len().hash(state);
    }
}

impl WitInterface {
    /// Whether both are of the same package, whatever its version.
    pub fn same_package(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.package == other.package
    }

    /// Whether this covers one interface of another: the same package, a listed name, and a compatible version.
    pub fn covers(&self, other: &Self, interface: &str) -> bool {
        self.same_package(other)
            && self.interfaces.contains(interface)
            && versions_compatible(self.version.as_ref(), other.version.as_ref())
    }

    /// `namespace:package`.
    pub fn package_name(&self) -> String {
        format!("{}:{}", self.namespace, self.package)
    }
}

/// Whether a provider of one version can stand in for the other: both of the same major release, or below 1.0 of the
/// same minor release. A missing version accepts any; a pre-release is compatible only with itself.
pub(crate) fn versions_compatible(one: Option<&Version>, other: Option<&Version>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    if !one.pre.is_empty() || !other.pre.is_empty() {
        return one == other;
    }
    match (one.major, other.major) {
        (0, 0) if one.minor == 0 || other.minor == 0 => one == other,
        (0, 0) => one.minor == other.minor,
        (one, other) => one == other,
    }
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

/// A text that names no interface.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{text}` is not an interface: write `namespace:package/interface@version`")]
pub struct InvalidInterface {
    /// The text as it was given.
    pub text: String,
}

/// Reads `namespace:package/one,two@version`, where the version may be missing.
impl FromStr for WitInterface {
    type Err = InvalidInterface;

    fn from_str(text: &str) -> Result<Self, InvalidInterface> {
        let invalid = || InvalidInterface { text: text.to_string() };
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(Version::parse(version).map_err(|_| invalid())?)),
            None => (text, None),
        };
        let (package, interfaces) = path.split_once('/').ok_or_else(invalid)?;
        let (namespace, package) = package.split_once(':').ok_or_else(invalid)?;
        let interfaces: HashSet<String> = interfaces.split(',').map(str::to_string).collect();
        if namespace.is_empty() || package.is_empty() || interfaces.iter().any(String::is_empty) {
            return Err(invalid());
        }
        Ok(Self {
            namespace: namespace.to_string(),
            package: package.to_string(),
            interfaces,
            version,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_an_interface_and_back() {
        for text in ["wasi:http/types@0.2.3", "wasi:logging/logging", "a:b/c,d@1.0.0-rc.1"] {
            assert_eq!(text.parse::<WitInterface>().unwrap().to_string(), text);
        }
        for text in ["", "wasi", "wasi:http", "wasi:http/", ":http/types", "wasi:/types", "wasi:http/types@x"] {
            assert!(text.parse::<WitInterface>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_compatible_within_a_release_line() {
        for (one, other, expected) in [
            ("0.2.0", "0.2.9", true),
            ("0.2.0", "0.3.0", false),
            ("0.0.1", "0.0.2", false),
            ("1.0.0", "1.9.0", true),
            ("1.0.0", "2.0.0", false),
            ("0.2.0-draft", "0.2.0-draft", true),
            ("0.2.0-draft", "0.2.0", false),
        ] {
            let (one, other) = (Version::parse(one).unwrap(), Version::parse(other).unwrap());
            assert_eq!(versions_compatible(Some(&one), Some(&other)), expected, "{one} {other}");
        }
        assert!(versions_compatible(None, Some(&Version::new(1, 0, 0))));
    }
}
