//! Hosts that a component can be checked against: what they offer, and what has to be asked for.
//!
//! A host is a file of data. The known ones are in `hosts/`, each with the source of what it says; a user's own file has
//! the same form. Nothing here asks a running host.

use std::path::Path;

use semver::Version;
use serde::Deserialize;
use thiserror::Error;

/// The hosts that are known, by their files.
const KNOWN: [&str; 5] = [
    include_str!("../hosts/wash.toml"),
    include_str!("../hosts/wasmcloud.toml"),
    include_str!("../hosts/wasmtime-serve.toml"),
    include_str!("../hosts/wasmtime-run.toml"),
    include_str!("../hosts/spin.toml"),
];

/// Why a host cannot be checked against.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ProfileError {
    #[error("`{name}` is neither a known host nor a file")]
    Unknown { name: String },
    #[error("cannot read the host's description")]
    Read(#[source] std::io::Error),
    #[error("{file} does not describe a host")]
    Malformed {
        file: String,
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// What a host offers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostProfile {
    /// What `--host` takes.
    pub(crate) name: String,
    /// The host and its version.
    pub(crate) title: String,
    /// Where this is known from.
    pub(crate) source: String,
    /// Exports of which the host calls one: `namespace:package/interface@version`.
    #[serde(default)]
    pub(crate) calls_one_of: Vec<String>,
    /// Exports that it calls only when it is told to.
    #[serde(default)]
    calls_on_request: Vec<Offer>,
    /// The interfaces that it offers to components.
    #[serde(default)]
    pub(crate) offers: Vec<Offer>,
}

/// Interfaces of a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offer {
    /// `namespace:name`.
    package: String,
    /// Each version that is offered; an empty text stands for a package without one.
    versions: Vec<String>,
    interfaces: Vec<String>,
    /// What has to be done to get them; nothing for what every component gets.
    #[serde(default)]
    pub(crate) request: Option<Request>,
}

/// How interfaces are asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// This on the host's command line.
    Flag(String),
    /// An entry in a workload's `hostInterfaces`; the text is a setting that the entry needs, or empty.
    HostInterfaces(String),
    /// This in the application's manifest.
    Manifest(String),
}

/// The name of an import or export, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct InterfaceName<'a> {
    pub(crate) package: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) version: &'a str,
}

impl<'a> InterfaceName<'a> {
    /// `None` for what is no interface of a package, such as a function of the world itself.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/')?;
        package.contains(':').then_some(Self { package, interface, version })
    }
}

/// What a host has for an import.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It is offered in this version.
    Offered { version: String, request: Option<Request> },
    /// It is offered in these versions, none of which fits.
    OtherVersions(Vec<String>),
    /// It is not offered.
    Nothing,
}

impl HostProfile {
    /// What has to be done so that the host calls an export; nothing for one that needs nothing, or is of no use to it.
    pub(crate) fn request_for_export(&self, export: InterfaceName<'_>) -> Option<Request> {
        let is_meant = |offer: &&Offer| {
            offer.package == export.package
                && offer.interfaces.iter().any(|name| name == export.interface)
                && offer.versions.iter().any(|version| compatible(version, export.version))
        };
        self.calls_on_request.iter().find(is_meant)?.request.clone()
    }

    /// What the host has for an import.
    pub(crate) fn answer(&self, import: InterfaceName<'_>) -> Answer {
        let mut others = Vec::new();
        let offers = self.offers.iter().filter(|offer| offer.package == import.package);
        let mut offers: Vec<_> =
            offers.filter(|offer| offer.interfaces.iter().any(|name| name == import.interface)).collect();
        // What needs no request comes first.
        offers.sort_by_key(|offer| offer.request.is_some());
        for offer in offers {
            if let Some(version) = offer.versions.iter().find(|offered| compatible(offered, import.version)) {
                return Answer::Offered { version: version.clone(), request: offer.request.clone() };
            }
            others.extend(offer.versions.iter().cloned());
        }
        others.dedup();
        if others.is_empty() { Answer::Nothing } else { Answer::OtherVersions(others) }
    }
}

/// Whether a host's version serves a component that asks for another: both in one compatible track. A pre-release serves
/// only itself.
pub(crate) fn compatible(offered: &str, asked: &str) -> bool {
    if offered == asked {
        return true;
    }
    let (Ok(offered), Ok(asked)) = (Version::parse(offered), Version::parse(asked)) else { return false };
    if !offered.pre.is_empty() || !asked.pre.is_empty() {
        return false;
    }
    match (offered.major, asked.major) {
        (0, 0) => offered.minor != 0 && offered.minor == asked.minor,
        (one, other) => one == other,
    }
}

/// The known hosts.
pub(crate) fn known() -> Result<Vec<HostProfile>, ProfileError> {
    KNOWN.iter().map(|text| parse("a built-in file", text)).collect()
}

/// A known host, or the one that a file describes.
pub(crate) fn find(name: &str, start: &Path) -> Result<HostProfile, ProfileError> {
    if let Some(profile) = known()?.into_iter().find(|profile| profile.name == name) {
        return Ok(profile);
    }
    let path = start.join(name);
    if !path.is_file() {
        return Err(ProfileError::Unknown { name: name.to_owned() });
    }
    parse(name, &fs_err::read_to_string(path).map_err(ProfileError::Read)?)
}

fn parse(file: &str, text: &str) -> Result<HostProfile, ProfileError> {
    toml::from_str(text).map_err(|err| ProfileError::Malformed { file: file.to_owned(), source: Box::new(err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_hosts_are_in_order() {
        let known = known().unwrap();
        for profile in &known {
            assert!(!profile.source.is_empty(), "{}", profile.name);
            for offer in &profile.offers {
                assert!(
                    !offer.versions.is_empty() && !offer.interfaces.is_empty(),
                    "{} {}",
                    profile.name,
                    offer.package
                );
                for version in &offer.versions {
                    assert!(version.is_empty() || Version::parse(version).is_ok(), "{} {version}", profile.name);
                }
            }
            for export in &profile.calls_one_of {
                assert!(InterfaceName::parse(export).is_some(), "{export}");
            }
        }
        let mut names: Vec<_> = known.iter().map(|profile| &profile.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), KNOWN.len());
    }

    #[test]
    fn versions() {
        for (offered, asked, fits) in [
            ("0.2.12", "0.2.0", true),
            ("0.2.0", "0.2.12", true),
            ("0.2.0", "0.3.0", false),
            ("0.2.0-draft", "0.2.0-draft", true),
            ("0.2.0-draft", "0.2.0-draft2", false),
            ("0.2.0-draft", "0.2.0", false),
            ("1.4.0", "1.0.0", true),
            ("0.0.1", "0.0.2", false),
            ("", "", true),
            ("", "0.1.0", false),
        ] {
            assert_eq!(compatible(offered, asked), fits, "{offered} {asked}");
        }
    }

    #[test]
    fn names() {
        let name = InterfaceName::parse("wasi:http/types@0.2.0").unwrap();
        assert_eq!((name.package, name.interface, name.version), ("wasi:http", "types", "0.2.0"));
        assert_eq!(InterfaceName::parse("run"), None);
        assert_eq!(InterfaceName::parse("a:b/c").unwrap().version, "");
    }
}
