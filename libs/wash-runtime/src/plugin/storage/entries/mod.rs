//! A workload's `host_interfaces` entries of one storage package: their names, their settings, and the backend of each.
//!
//! It reads settings; it opens no backend.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::roots::{AllowedRoots, RootError};
use crate::plugin::servers::{ServerKind, ServerUrl};
use crate::wit::WitInterface;

/// Names of backends, as they stand in the setting `backend`.
const IN_MEMORY: &str = "in-memory";
const FILESYSTEM: &str = "filesystem";

/// Why a workload's storage entries cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The host has no such backend.
    #[error("{entry} asks for the backend `{backend}`, but this host supports {supported}")]
    UnsupportedBackend {
        /// The entry, in words.
        entry: String,
        /// The backend it names.
        backend: String,
        /// The backends that there are.
        supported: String,
    },
    /// The file system backend needs a directory.
    #[error("{entry} asks for the backend `filesystem` and needs the setting `root`")]
    MissingRoot {
        /// The entry, in words.
        entry: String,
    },
    /// The host has no server of this kind, and the workload names none.
    #[error("{entry} asks for the backend `{backend}`, of which this host has no server, and needs the setting `url`")]
    MissingUrl {
        /// The entry, in words.
        entry: String,
        /// The backend it names.
        backend: &'static str,
    },
    /// The host decides which servers there are.
    #[error("{entry} has a `url`, but on this host workloads name no servers")]
    UrlNotAllowed {
        /// The entry, in words.
        entry: String,
    },
    /// The directory is not to be had.
    #[error("{entry} has a `root` that cannot be used")]
    Root {
        /// The entry, in words.
        entry: String,
        /// Why.
        source: RootError,
    },
    /// Nothing reads this setting.
    #[error("{entry} has the unknown setting `{setting}`; known are {known}")]
    UnknownSetting {
        /// The entry, in words.
        entry: String,
        /// The setting's name.
        setting: String,
        /// Settings that there are.
        known: String,
    },
    /// A setting's value cannot be read.
    #[error("{entry} has `{value}` for `{setting}`, which must be {expected}")]
    InvalidSetting {
        /// The entry, in words.
        entry: String,
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// Several entries, and one without a name.
    #[error("several entries of {package} are told apart by `name`, and one has none")]
    Unnamed {
        /// The package.
        package: String,
    },
    /// Several entries of one name.
    #[error("several entries of {package} have the name `{name}`")]
    DuplicateName {
        /// The package.
        package: String,
        /// The name.
        name: String,
    },
}

/// What a plugin offers.
#[derive(Debug)]
pub(crate) enum Offer {
    /// Memory alone.
    InMemory,
    /// One directory for all workloads, chosen by the operator.
    Directory,
    /// Memory by default, and what else the workload chooses.
    Choice(Choice),
}

/// What a workload may choose beside memory.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) roots: AllowedRoots,
    /// The kinds of which the host has a server.
    pub(crate) servers: Vec<ServerKind>,
    /// The kinds of which workloads may name servers.
    pub(crate) servers_by_url: &'static [ServerKind],
}

impl Choice {
    fn kinds(&self) -> impl Iterator<Item = ServerKind> {
        let more = self.servers_by_url.iter().filter(|kind| !self.servers.contains(kind));
        self.servers.iter().chain(more).copied()
    }

    fn backends(&self) -> String {
        let mut names = vec![IN_MEMORY, FILESYSTEM];
        names.extend(self.kinds().map(ServerKind::name));
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        names.split_last().map(|(last, others)| format!("{} and {last}", others.join(", "))).unwrap_or_default()
    }

    fn server(&self, kind: ServerKind, url: Option<&String>, entry: &str) -> Result<Place, EntryError> {
        let entry = || entry.to_string();
        match url {
            Some(_) if !self.servers_by_url.contains(&kind) => Err(EntryError::UrlNotAllowed { entry: entry() }),
            None if !self.servers.contains(&kind) => {
                Err(EntryError::MissingUrl { entry: entry(), backend: kind.name() })
            }
            url => Ok(Place::Server(kind, url.cloned().map(ServerUrl))),
        }
    }
}

impl Offer {
    /// Whether what workloads with these entries keep is still there when none of them is bound.
    pub(crate) fn outlives_binding<'a>(&self, entries: impl IntoIterator<Item = &'a WitInterface>) -> bool {
        match self {
            Self::InMemory => false,
            Self::Directory => true,
            Self::Choice(_) => {
                entries.into_iter().all(|entry| entry.config.get("backend").is_some_and(|backend| backend != IN_MEMORY))
            }
        }
    }
}

/// Where an entry's data stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Memory,
    /// The plugin's own directory.
    OwnDirectory,
    Directory(PathBuf),
    /// A server, the host's own unless there is a URL.
    Server(ServerKind, Option<ServerUrl>),
}

/// An entry, checked. Its settings may hold a password.
pub(crate) struct Entry {
    pub(crate) interfaces: HashSet<String>,
    pub(crate) place: Place,
    settings: HashMap<String, String>,
    description: String,
}

impl Entry {
    /// A setting that only this kind of store has.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(crate) fn invalid(&self, setting: &'static str, expected: &'static str) -> EntryError {
        let value = self.setting(setting).unwrap_or_default().to_string();
        EntryError::InvalidSetting { entry: self.description.clone(), setting, value, expected }
    }
}

/// Entries by name, or one that serves every name.
#[derive(Debug)]
pub(crate) enum Entries<T> {
    Any(T),
    Named(HashMap<String, T>),
}

impl<T> Entries<T> {
    /// The entry that serves a name.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        match self {
            Self::Any(entry) => Some(entry),
            Self::Named(entries) => entries.get(name),
        }
    }

    pub(crate) fn values(&self) -> Box<dyn Iterator<Item = &T> + '_> {
        match self {
            Self::Any(entry) => Box::new(std::iter::once(entry)),
            Self::Named(entries) => Box::new(entries.values()),
        }
    }

    pub(crate) fn try_map<U, E>(self, mut convert: impl FnMut(T) -> Result<U, E>) -> Result<Entries<U>, E> {
        Ok(match self {
            Self::Any(entry) => Entries::Any(convert(entry)?),
            Self::Named(entries) => Entries::Named(
                entries.into_iter().map(|(name, entry)| Ok((name, convert(entry)?))).collect::<Result<_, E>>()?,
            ),
        })
    }
}

/// Checks a workload's entries of one package. `own_settings` are those that the kind of store adds to `backend` and `root`.
pub(crate) fn check<'a>(
    interfaces: impl IntoIterator<Item = &'a WitInterface>,
    offer: &Offer,
    own_settings: &[&str],
) -> Result<Entries<Entry>, EntryError> {
    let interfaces: Vec<&WitInterface> = interfaces.into_iter().collect();
    let mut named = HashMap::new();
    for interface in &interfaces {
        let package = format!("{}:{}", interface.namespace, interface.package);
        let entry = check_one(interface, &package, offer, own_settings)?;
        let Some(name) = interface.name.clone().filter(|name| !name.is_empty()) else {
            if interfaces.len() > 1 {
                return Err(EntryError::Unnamed { package });
            }
            return Ok(Entries::Any(entry));
        };
        if named.insert(name.clone(), entry).is_some() {
            return Err(EntryError::DuplicateName { package, name });
        }
    }
    Ok(Entries::Named(named))
}

fn check_one(
    interface: &WitInterface,
    package: &str,
    offer: &Offer,
    own_settings: &[&str],
) -> Result<Entry, EntryError> {
    let description = match &interface.name {
        Some(name) if !name.is_empty() => format!("the entry `{name}` of {package}"),
        _ => format!("the entry of {package}"),
    };
    let place = choose(interface, &description, offer)?;
    let known = |setting: &str| {
        let of_place = match place {
            Place::Directory(_) => setting == "root",
            Place::Memory | Place::OwnDirectory => false,
            Place::Server(kind, _) => setting == "url" || is_of_server(kind, setting),
        };
        setting == "backend" || of_place || own_settings.contains(&setting)
    };
    if let Some(setting) = interface.config.keys().filter(|setting| !known(setting)).min() {
        let of_servers: &[&str] = match offer {
            Offer::Choice(choice) if choice.kinds().next().is_some() => &["url"],
            _ => &[],
        };
        let known = [&["backend", "root"], of_servers, own_settings].concat();
        let known: Vec<String> = known.into_iter().map(|setting| format!("`{setting}`")).collect();
        let (setting, known) = (setting.clone(), known.join(", "));
        return Err(EntryError::UnknownSetting { entry: description, setting, known });
    }
    let settings = interface.config.clone();
    Ok(Entry { interfaces: interface.interfaces.clone(), place, settings, description })
}

/// Settings that one kind of server has.
fn is_of_server(kind: ServerKind, setting: &str) -> bool {
    match kind {
        #[cfg(feature = "redis")]
        ServerKind::Redis => setting == "prefix",
        #[cfg(any(feature = "nats", feature = "wasmcloud-postgres"))]
        _ => false,
    }
}

fn choose(interface: &WitInterface, description: &str, offer: &Offer) -> Result<Place, EntryError> {
    let entry = || description.to_string();
    let backend = interface.config.get("backend").map(String::as_str);
    let unsupported = |backend: &str, supported: &str| {
        let (backend, supported) = (backend.to_string(), supported.to_string());
        Err(EntryError::UnsupportedBackend { entry: entry(), backend, supported })
    };
    match (offer, backend) {
        (Offer::InMemory, None | Some(IN_MEMORY)) => Ok(Place::Memory),
        (Offer::InMemory, Some(other)) => unsupported(other, "`in-memory`"),
        (Offer::Directory, None | Some(FILESYSTEM)) => Ok(Place::OwnDirectory),
        (Offer::Directory, Some(other)) => unsupported(other, "`filesystem`"),
        (Offer::Choice(_), None | Some(IN_MEMORY)) => Ok(Place::Memory),
        (Offer::Choice(choice), Some(FILESYSTEM)) => {
            let root = interface.config.get("root").ok_or_else(|| EntryError::MissingRoot { entry: entry() })?;
            let dir = choice.roots.resolve(root).map_err(|source| EntryError::Root { entry: entry(), source })?;
            Ok(Place::Directory(dir))
        }
        (Offer::Choice(choice), Some(other)) => match choice.kinds().find(|kind| kind.name() == other) {
            Some(kind) => choice.server(kind, interface.config.get("url"), description),
            None => unsupported(other, &choice.backends()),
        },
    }
}

#[cfg(test)]
mod tests;
