//! What a project's configuration, wasm-pkg's and the environment say about WIT packages, put together.
//!
//! Reads no environment variable itself: the caller passes the variables in.

use std::path::{Path, PathBuf};

use thiserror::Error;
use washlib_config::{Config, Environment, Origin};
use washlib_oci::Settings;
use washlib_wit::{Cache, Location, LocationError, NameError, SourceOverride};

use super::registries::{Login, ProjectRegistry, Registries, RegistriesError};
use crate::configuration;

/// Why the configuration makes no sense.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitConfigurationError {
    /// A key of `wit.sources` that names no packages.
    #[error("wrong key in `wit.sources` ({origin})")]
    SourceKey {
        /// Where it was set.
        origin: Origin,
        /// What is wrong with it.
        source: NameError,
    },
    /// A value of `wit.sources` that names no place.
    #[error("wrong source for `{key}` in `wit.sources` ({origin})")]
    Source {
        /// The key.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong with it.
        source: LocationError,
    },
    /// A registry of `wit.registries` that is none.
    #[error("wrong registry in `wit.registries` ({origin})")]
    Registry {
        /// Where it was set.
        origin: Origin,
        /// What is wrong with it.
        source: RegistriesError,
    },
    /// A variable that a value refers to is not set.
    #[error("`wit.registries` refers to the environment variable `{variable}`, which is not set ({origin})")]
    Variable {
        /// The variable.
        variable: String,
        /// Where it is referred to.
        origin: Origin,
    },
    /// The section `oci`.
    #[error(transparent)]
    Oci(#[from] configuration::ConfigurationError),
    /// wasm-pkg's own configuration.
    #[error(transparent)]
    Registries(#[from] RegistriesError),
}

/// What is configured.
#[derive(Debug)]
pub struct WitConfiguration {
    /// What `wit.sources` says.
    pub overrides: Vec<SourceOverride>,
    /// Which registries there are.
    pub registries: Registries,
    /// How OCI registries are spoken to.
    pub oci: Settings,
    /// Where packages are kept on this machine.
    pub cache: Cache,
}

impl WitConfiguration {
    /// Puts together what `config` says for the project in `root`, with wasm-pkg's own file.
    ///
    /// # Errors
    ///
    /// When a value makes no sense or the file cannot be used.
    pub fn new(config: &Config, root: &Path, environment: &Environment) -> Result<Self, WitConfigurationError> {
        let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let mut overrides = Vec::new();
        for (key, value) in &config.wit.sources {
            let wrong_source =
                |source| WitConfigurationError::Source { key: key.clone(), origin: value.origin().clone(), source };
            let location = Location::parse(value.value(), root, home.as_deref()).map_err(wrong_source)?;
            let wrong_key = |source| WitConfigurationError::SourceKey { origin: value.origin().clone(), source };
            overrides.push(SourceOverride::new(key, location).map_err(wrong_key)?);
        }
        let named_file =
            environment.get("WKG_CONFIG_FILE").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let config_home = absolute("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let user_file = config_home.map(|folder| folder.join("wasm-pkg").join("config.toml"));
        let project = project_registries(config, environment)?;
        let registries = Registries::read(named_file.as_deref(), user_file.as_deref(), project, environment)?;
        let cache_home = absolute("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")));
        let cache = cache_home.map_or_else(Cache::forgetful, |folder| Cache::new(folder.join("wash").join("wit")));
        let oci = configuration::settings(&config.oci, configuration::Place { root, environment })?;
        Ok(Self { overrides, registries, oci, cache })
    }
}

fn project_registries(
    config: &Config,
    environment: &Environment,
) -> Result<Vec<ProjectRegistry>, WitConfigurationError> {
    let Some(configured) = &config.wit.registries else { return Ok(Vec::new()) };
    let mut registries = Vec::new();
    for registry in configured.value() {
        let origin = registry.url.origin();
        let expand = |text: &str, origin: &Origin| {
            expanded(text, environment)
                .map_err(|variable| WitConfigurationError::Variable { variable, origin: origin.clone() })
        };
        let url = expand(registry.url.value(), origin)?;
        let username = registry.username.as_ref().map(|name| expand(name.value(), name.origin())).transpose()?;
        let token = registry.token.as_ref();
        let origin_of_token =
            |token: &washlib_config::Sourced<_>| format!("the token of `wit.registries` ({})", token.origin());
        let login_origin = token.map(origin_of_token).unwrap_or_default();
        let token = token.map(|token| expand(token.value().expose(), token.origin())).transpose()?;
        let login = match (username, token) {
            (Some(username), Some(password)) => Some(Login::Password { username, password, origin: login_origin }),
            (None, Some(token)) => Some(Login::Token { token, origin: login_origin }),
            (_, None) => None,
        };
        let wrong = |source| WitConfigurationError::Registry { origin: origin.clone(), source };
        registries.push(ProjectRegistry::new(&url, login).map_err(wrong)?);
    }
    Ok(registries)
}

/// `text` with the values of variables in the place of `${NAME}`; the name of one that is not set as the error.
fn expanded(text: &str, environment: &Environment) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = environment.get(name).and_then(|value| value.to_str()).ok_or_else(|| name.to_owned())?;
        result.push_str(before);
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str, variables: &[(&str, &str)]) -> Result<WitConfiguration, WitConfigurationError> {
        let config = Config::parse(Path::new(".wash/config.yaml"), text).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        WitConfiguration::new(&config, Path::new("/project"), &environment)
    }

    #[test]
    fn tokens_come_from_the_environment() {
        let text = "wit:\n  registries:\n    - url: https://${HOST}\n      token: \"${REGISTRY_TOKEN}\"\n";
        let result = configuration(text, &[("HOST", "r.example"), ("REGISTRY_TOKEN", "s3cret")]).unwrap();
        assert!(!format!("{result:?}").contains("s3cret"));
        let err = configuration(text, &[("HOST", "r.example")]).unwrap_err().to_string();
        assert!(err.contains("REGISTRY_TOKEN") && err.contains("config.yaml line 4"), "{err}");
    }

    #[test]
    fn mistakes_name_their_place() {
        let source = configuration("wit:\n  sources:\n    \"wasi:http\": \"ftp://x\"\n", &[]).unwrap_err();
        assert!(source.to_string().contains("`wasi:http`"), "{source}");
        assert!(configuration("wit:\n  sources:\n    \"Wasi\": \"./x\"\n", &[]).is_err());
        assert!(configuration("wit:\n  registries:\n    - url: \"ftp://x\"\n", &[]).is_err());
    }
}
