//! A configuration that `wash dev` cannot follow, and what helps.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use wash_runtime::engine::AllowedHostProblem;
use washlib_config::Origin;
use washlib_registry::ReferenceError;
use washlib_registry::configuration::ConfigurationError;
use washlib_registry::wit::WitConfigurationError;
use washlib_workload::{ResourceError, ValueError};

use super::keys::UnsupportedKey;

/// A configuration that `wash dev` cannot follow.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SettingsError {
    #[error("`wash dev` does not support {} yet", list(keys))]
    Unsupported { keys: Vec<UnsupportedKey> },
    #[error("`{address}` ({origin}) is not an address such as 127.0.0.1:8000")]
    Address { address: String, origin: Origin },
    #[error("{missing} is missing beside {set} ({origin})")]
    Together { set: &'static str, missing: &'static str, origin: Origin },
    #[error("{one} and {other} ({origin}) exclude each other")]
    Exclusive { one: &'static str, other: &'static str, origin: Origin },
    #[error("the component `{name}` ({origin}) needs a `file` or an `image`")]
    NoSource { name: String, origin: Origin },
    #[error("`{image}` ({origin}) does not name an image")]
    Image { image: String, origin: Origin, source: ReferenceError },
    #[error("the section `oci` cannot be followed")]
    Registries(#[from] ConfigurationError),
    #[error(transparent)]
    Wit(#[from] WitConfigurationError),
    #[error("a component cannot be named `{name}` ({origin}): {reason}")]
    Name { name: String, origin: Origin, reason: &'static str },
    #[error("two entries of dev.components are named `{name}` ({origin})")]
    SameName { name: String, origin: Origin },
    #[error("{key} ({origin}) cannot be used")]
    Path { key: &'static str, origin: Origin, source: io::Error },
    #[error("{key} ({origin}) leads into {}, which is not valid UTF-8", path.display())]
    PathNotUtf8 { key: &'static str, origin: Origin, path: PathBuf },
    #[error("`{}` in dev.volumes ({origin}) is not an absolute path without `..`", path.display())]
    GuestPath { path: PathBuf, origin: Origin },
    #[error("two entries of dev.volumes are mounted on `{}` ({origin})", path.display())]
    SameMount { path: PathBuf, origin: Origin },
    #[error("{key} ({origin}) cannot be used")]
    Server { key: &'static str, origin: Origin, source: Box<dyn Error + Send + Sync>, hint: Option<&'static str> },
    #[error("`{version}` in dev.host_interfaces ({origin}) is not a version such as 0.2.0")]
    Version { version: String, origin: Origin },
    #[error("`{value}` in {key} ({origin}) is not a length of time such as 500ms or 5s")]
    Duration { value: String, key: &'static str, origin: Origin },
    #[error("`{entry}` in {key} ({origin}) {problem}")]
    AllowedHost { entry: String, key: String, origin: Origin, problem: AllowedHostProblem },
    #[error("`{entry}` in {key} ({origin}) is not a host name: write `example.com`, `*.example.com` or `*`")]
    LookupName { entry: String, key: String, origin: Origin },
    #[error("`{pattern}` in dev.ignore[{index}] ({origin}) is not a pattern: {reason}")]
    IgnorePattern { pattern: String, index: usize, origin: Origin, reason: String },
    #[error("`{}` in dev.watch[{index}] ({origin}) is a pattern, and there is no such file or folder", path.display())]
    WatchPattern { path: PathBuf, index: usize, origin: Origin },
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

impl SettingsError {
    /// What helps.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsupported { .. } => "remove the keys, or comment them out".to_owned(),
            Self::Address { .. } => "an address is an IP address and a port; port 0 takes any free port".to_owned(),
            Self::Together { missing, .. } => format!("add {missing}"),
            Self::Exclusive { one, other, .. } => format!("remove {one} or {other}"),
            Self::NoSource { .. } => {
                "name the file that the build leaves, as in `file: target/one.wasm`, or an image of a registry"
                    .to_owned()
            }
            Self::Server { hint, .. } => return hint.map(str::to_owned),
            Self::Path { key: "dev.volumes", .. } => "`mkdir -p` makes the folder".to_owned(),
            Self::IgnorePattern { .. } => {
                "dev.ignore takes lines of a .gitignore, such as `docs/` or `*.md`".to_owned()
            }
            Self::WatchPattern { .. } => {
                "dev.watch takes files and folders; name the folder, and what not to watch in it in dev.ignore"
                    .to_owned()
            }
            Self::Resource(ResourceError::Environment { source, .. }) => return ValueError::hint(source),
            _ => return None,
        })
    }
}

fn list(keys: &[UnsupportedKey]) -> String {
    keys.iter().map(|(key, origin)| format!("{key} ({origin})")).collect::<Vec<_>>().join(", ")
}
