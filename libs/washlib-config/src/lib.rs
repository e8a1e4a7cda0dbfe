//! Finds a project and merges its configuration from layers, remembering where every value was set.
//!
//! Computes and returns: never prints, never parses a command line, never touches the network, and reads no environment
//! variable that its caller did not pass in.
//!
//! The layers, lowest first: defaults, the user's file, the project's file, `WASH_*` environment variables, flags.
//! ```no_run
//! use std::path::Path;
//! use washlib_config::{Config, Environment, Project, Sourced, Sources, load};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let project = Project::discover(Path::new("."))?;
//! let environment: Environment = std::env::vars_os().collect();
//! let mut flags = Config::default();
//! flags.dev.address = Some(Sourced::from_flag("--address", "127.0.0.1:9000".to_owned()));
//! let loaded = load(&project, Sources { user_config: None, environment: &environment, flags })?;
//! if let Some(command) = &loaded.config.build.command {
//!     assert!(!command.value().is_empty(), "empty command in {}", command.origin());
//! }
//! # Ok(())
//! # }
//! ```

mod deserialize;
mod environment;
mod error;
mod json;
mod layers;
mod node;
mod origin;
mod project;
mod schema;
mod toml_format;
pub mod tree;
mod values;
mod yaml;

pub use environment::Environment;
pub use error::{ConfigError, Warning};
pub use layers::{Loaded, Sources, load};
pub use node::Format;
pub use origin::{ConfigFile, Layer, Origin, Sourced};
pub use project::{DiscoverError, ManifestKind, Project};
pub use schema::{
    Build, Component, Config, ConfigSource, DeclaredPort, Dev, EnvironmentLayer, Host, HostPlugin, New, Oci,
    OciRegistry, Protocol, PullPolicy, Registry, Secret, SecretSource, TrustRoots, VerificationRule, VerificationRules,
    Volume, Wit, WitInterface, Workload,
};
