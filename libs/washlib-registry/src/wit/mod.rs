//! WIT packages: from registries of wasm-pkg's two kinds, OCI and local, from Git repositories and archives.
//!
//! Implements [`washlib_wit::PackageSource`]. Nothing is started, read or connected to before something is asked for that
//! is not on this machine. Everything is bounded: bytes, time, attempts.

mod archive;
mod configuration;
mod fetch;
mod git;
mod http;
mod local;
mod oci;
mod registries;
mod remote;
mod sources;

pub use configuration::{WitConfiguration, WitConfigurationError};
pub use fetch::{FetchError, Listeners, fetch};
pub use registries::{Login, ProjectRegistry, Registries, RegistriesError};
pub use sources::{Sources, SourcesSettings, Watcher};

/// The names most like `wanted`, at most three.
fn nearest(wanted: &str, names: Vec<String>) -> Vec<String> {
    let mut similar: Vec<(f64, String)> =
        names.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(wanted, &name), name)).collect();
    similar.retain(|(similarity, _)| *similarity >= 0.5);
    similar.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    similar.dedup();
    similar.truncate(3);
    similar.into_iter().map(|(_, name)| name).collect()
}
