//! Settings from the configuration and the environment, the same for every tool.
//!
//! Reads only variables that the caller passed in. Flags come on top: the tool changes the settings that it gets here.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use washlib_config::{Environment, Layer, Oci, OciRegistry, Origin, Sourced};
use washlib_oci::credentials::{CredentialSources, ExplicitCredential, IncompleteCredential};
use washlib_oci::{
    CacheSettings, ClientCertificate, KeyError, Protocol, Proxies, ProxyServer, PublicKey, ReferenceError,
    RegistrySettings, Secret, Settings, VerificationRule, canonical_registry, canonical_scope,
};

/// Why there are no settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// A public key cannot be read.
    #[error("the public key {} of {origin} cannot be used", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Where it is named.
        origin: Origin,
        /// What is wrong with it.
        source: KeyFileError,
    },
    /// A rule is for nothing that a reference can name.
    #[error(
        "the verification rule at {origin} is for `{scope}`, which is neither a registry nor the beginning of a repository on one"
    )]
    Scope {
        /// What it says.
        scope: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// A rule without keys would let nothing pass, which nobody means.
    #[error("the verification rule at {0} names no key")]
    NoKeys(Origin),
}

/// Why the file of a key gives none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It holds no usable key.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
}

/// Where the configuration is read from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where relative paths of the project's configuration begin; the current folder without a project.
    pub root: &'a Path,
    /// The environment's variables.
    pub environment: &'a Environment,
}

/// What a command line says about the registries that it names.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// They are spoken to without TLS.
    pub plain_http: bool,
    /// Files with certificates of authorities that are trusted too.
    pub certificate_authorities: Vec<PathBuf>,
    /// A user and password for the first of them.
    pub login: Option<(String, Secret)>,
}

impl Flags {
    /// Puts them on top of settings.
    pub fn apply(self, settings: &mut Settings, registries: &[&str]) {
        settings.certificate_authorities.extend(self.certificate_authorities);
        for registry in registries.iter().filter(|_| self.plain_http) {
            settings.registries.entry((*registry).to_owned()).or_default().protocol = Protocol::PlainHttp;
        }
        if let Some((user, password)) = self.login {
            let registry = registries.first().map(|registry| (*registry).to_owned());
            let origin = "--user".to_owned();
            // The command line has completed it.
            settings.credentials.incomplete = None;
            settings.credentials.explicit = Some(ExplicitCredential { registry, user, password, origin });
        }
    }
}

/// The settings that the section `oci` and the environment ask for.
///
/// | variable | meaning |
/// |---|---|
/// | `WASMCLOUD_OCI_ALLOWED_INSECURE` | registries that are spoken to in plain HTTP, separated by commas |
/// | `WASH_OCI_CA_PATHS` | certificates of authorities that are trusted too, separated by commas |
/// | `WASH_OCI_CACHE_DIR` | the folder in which pulled artifacts are kept |
/// | `WASH_REG_USER`, `WASH_REG_PASSWORD`, `WASH_REG_URL` | credentials, and the registry that they are for |
/// | `DOCKER_AUTH_CONFIG`, `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE` | where credentials are |
/// | `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies, in lower case too |
///
/// # Errors
///
/// When a key that the configuration names cannot be read.
pub fn settings(oci: &Oci, place: Place<'_>) -> Result<Settings, ConfigurationError> {
    let Place { root, environment } = place;
    let mut settings = Settings {
        certificate_authorities: paths(oci.ca_paths.as_ref(), root),
        proxies: proxies(environment),
        credentials: credential_sources(environment),
        cache: cache(oci, place),
        ..Settings::default()
    };
    for (name, registry) in &oci.registries {
        settings.registries.insert(canonical_registry(name), registry_settings(registry.value(), root));
    }
    for name in list(environment, "WASMCLOUD_OCI_ALLOWED_INSECURE") {
        // People write URLs here too.
        let name = name.trim_start_matches("http://").trim_end_matches('/');
        settings.registries.entry(canonical_registry(name)).or_default().protocol = Protocol::PlainHttp;
    }
    settings.certificate_authorities.extend(list(environment, "WASH_OCI_CA_PATHS").into_iter().map(PathBuf::from));
    for rule in oci.verification.iter() {
        let origin = rule.origin();
        let rule = rule.value();
        let mut keys = Vec::new();
        for path in rule.keys.value() {
            let path = resolved(path, rule.keys.origin(), root);
            let key = read_public_key(&path);
            keys.push(key.map_err(|source| ConfigurationError::Key { path, origin: origin.clone(), source })?);
        }
        if keys.is_empty() {
            return Err(ConfigurationError::NoKeys(origin.clone()));
        }
        let scope = match &rule.scope {
            Some(scope) => canonical_scope(scope.value()).map_err(|source| ConfigurationError::Scope {
                scope: scope.value().clone(),
                origin: scope.origin().clone(),
                source,
            })?,
            None => String::new(),
        };
        settings.verification.push(VerificationRule { scope, keys });
    }
    Ok(settings)
}

/// Reads the file of a public key.
///
/// # Errors
///
/// When it cannot be read or holds no usable key.
pub fn read_public_key(path: &Path) -> Result<PublicKey, KeyFileError> {
    let text = fs_err::read_to_string(path)?;
    PublicKey::from_pem(&text).map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
}

/// The folder in which all tools keep what they pulled: `wash/oci` in the user's cache folder; none where nobody knows
/// that.
pub fn default_cache_folder(environment: &Environment) -> Option<PathBuf> {
    let cache_home =
        absolute(environment, "XDG_CACHE_HOME").or_else(|| Some(absolute(environment, "HOME")?.join(".cache")))?;
    Some(cache_home.join("wash").join("oci"))
}

/// The file that logging in writes to: the one that `REGISTRY_AUTH_FILE` names, else Docker's.
pub fn login_file(environment: &Environment) -> Option<PathBuf> {
    let set = |name| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("REGISTRY_AUTH_FILE").or_else(|| docker_file(environment))
}

fn docker_file(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.get("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(folder.or_else(|| Some(absolute(environment, "HOME")?.join(".docker")))?.join("config.json"))
}

fn credential_sources(environment: &Environment) -> CredentialSources {
    let text = |name: &str| environment.get(name).and_then(OsStr::to_str).filter(|text| !text.is_empty());
    let (user, password) = (text("WASH_REG_USER"), text("WASH_REG_PASSWORD"));
    let registry = text("WASH_REG_URL").map(registry_of_url);
    let half = match (user, password) {
        (Some(_), None) => Some("WASH_REG_USER is set, but WASH_REG_PASSWORD is not, so it is not used"),
        (None, Some(_)) => Some("WASH_REG_PASSWORD is set, but WASH_REG_USER is not, so it is not used"),
        _ => None,
    };
    let incomplete = half.map(|reason| IncompleteCredential { registry: registry.clone(), reason: reason.to_owned() });
    let given = user.zip(password).map(|(user, password)| ExplicitCredential {
        registry,
        user: user.to_owned(),
        password: Secret::new(password),
        origin: "WASH_REG_USER".to_owned(),
    });
    let containers = |folder: PathBuf| folder.join("containers").join("auth.json");
    let home = absolute(environment, "HOME");
    let config = absolute(environment, "XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let files = [
        environment.get("REGISTRY_AUTH_FILE").filter(|value| !value.is_empty()).map(PathBuf::from),
        docker_file(environment),
        absolute(environment, "XDG_RUNTIME_DIR").map(containers),
        config.map(containers),
        home.map(|home| home.join(".dockercfg")),
    ];
    CredentialSources {
        explicit: None,
        environment: given,
        incomplete,
        inline: text("DOCKER_AUTH_CONFIG").map(Secret::new),
        files: files.into_iter().flatten().collect(),
        helper_path: environment.get("PATH").map(OsStr::to_owned),
        ..CredentialSources::default()
    }
}

/// `ghcr.io` of `https://ghcr.io/acme`.
fn registry_of_url(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    canonical_registry(rest.split('/').next().unwrap_or_default())
}

fn cache(oci: &Oci, Place { root, environment }: Place<'_>) -> Option<CacheSettings> {
    let given = environment.get("WASH_OCI_CACHE_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    let configured = || oci.cache_dir.as_ref().map(|folder| resolved(folder.value(), folder.origin(), root));
    let folder = given.or_else(configured).or_else(|| default_cache_folder(environment))?;
    let mut settings = CacheSettings::new(folder);
    if let Some(mebibytes) = &oci.cache_max_mib {
        settings.max_bytes = u64::from(*mebibytes.value()) << 20;
    }
    Some(settings)
}

fn registry_settings(registry: &OciRegistry, root: &Path) -> RegistrySettings {
    let path = |path: &Option<Sourced<PathBuf>>| path.as_ref().map(|path| resolved(path.value(), path.origin(), root));
    let client_certificate = path(&registry.client_cert_path).map(|certificate| ClientCertificate {
        key: path(&registry.client_key_path).unwrap_or_else(|| certificate.clone()),
        certificate,
    });
    let protocol = match registry.plain_http.as_ref().map(|plain| *plain.value()) {
        Some(true) => Protocol::PlainHttp,
        Some(false) => Protocol::Https,
        // Who names certificates means them.
        None if registry.ca_paths.is_some() || client_certificate.is_some() => Protocol::Https,
        None => Protocol::Auto,
    };
    RegistrySettings {
        protocol,
        certificate_authorities: paths(registry.ca_paths.as_ref(), root),
        client_certificate,
        mirrors: registry.mirrors.as_ref().map(|mirrors| mirrors.value().clone()).unwrap_or_default(),
        upload_chunk: registry.upload_chunk_mib.as_ref().map(|mebibytes| u64::from(*mebibytes.value()) << 20),
    }
}

fn proxies(environment: &Environment) -> Proxies {
    let set = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let found = environment.get(&lower).map(|value| (lower, value));
        let (name, value) = found.or_else(|| Some((name.to_owned(), environment.get(name)?)))?;
        value.to_str().filter(|text| !text.is_empty()).map(|text| (name, text.to_owned()))
    };
    let server = |name: &str| set(name).map(|(origin, url)| ProxyServer { url: Secret::new(url), origin });
    // In a CGI program, clients could set it with a header.
    let http = if environment.get("REQUEST_METHOD").is_some() { None } else { server("HTTP_PROXY") };
    let all = server("ALL_PROXY");
    Proxies {
        http: http.or_else(|| all.clone()),
        https: server("HTTPS_PROXY").or(all),
        no_proxy: set("NO_PROXY").map(|(_, hosts)| hosts),
    }
}

fn list<'e>(environment: &'e Environment, name: &str) -> Vec<&'e str> {
    let text = environment.get(name).and_then(OsStr::to_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn absolute(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn paths(paths: Option<&Sourced<Vec<PathBuf>>>, root: &Path) -> Vec<PathBuf> {
    let all =
        |paths: &Sourced<Vec<PathBuf>>| paths.value().iter().map(|path| resolved(path, paths.origin(), root)).collect();
    paths.map(all).unwrap_or_default()
}

/// A path as it is meant where it is written: in a user's file relative to that, else to the project.
fn resolved(path: &Path, origin: &Origin, root: &Path) -> PathBuf {
    match origin.file().filter(|file| file.layer() == Layer::User).and_then(|file| file.path().parent()) {
        Some(folder) => folder.join(path),
        None => root.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use washlib_config::Config;

    fn settings_of(text: &str, variables: &[(&str, &str)]) -> Settings {
        let config = Config::parse(Path::new("config.yaml"), text).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        settings(&config.oci, Place { root: Path::new("/project"), environment: &environment }).unwrap()
    }

    #[test]
    fn configuration_and_environment_become_settings() {
        let text = "
oci:
  ca_paths: [ca.pem]
  cache_max_mib: 1
  registries:
    Reg.example:5000: { plain_http: true, mirrors: [mirror.example/hub] }
    safe.example: { client_cert_path: /c.pem, upload_chunk_mib: 2 }";
        let variables = [
            ("HOME", "/home/u"),
            ("WASMCLOUD_OCI_ALLOWED_INSECURE", "one.example:80, http://two.example/"),
            ("WASH_REG_USER", "u"),
            ("WASH_REG_PASSWORD", "p"),
            ("WASH_REG_URL", "https://ghcr.io/acme"),
            ("https_proxy", "http://proxy:1"),
        ];
        let settings = settings_of(text, &variables);
        assert_eq!(settings.certificate_authorities, [Path::new("/project/ca.pem")]);
        let plain = &settings.registries["reg.example:5000"];
        assert_eq!(
            (plain.protocol, plain.mirrors.as_slice()),
            (Protocol::PlainHttp, &["mirror.example/hub".to_owned()][..])
        );
        assert_eq!(settings.registries["two.example"].protocol, Protocol::PlainHttp);
        assert_eq!(settings.registries["one.example:80"].protocol, Protocol::PlainHttp);
        let safe = &settings.registries["safe.example"];
        assert_eq!((safe.protocol, safe.upload_chunk), (Protocol::Https, Some(2 << 20)));
        assert_eq!(safe.client_certificate.as_ref().unwrap().key, Path::new("/c.pem"));
        assert_eq!(
            settings.cache,
            Some(CacheSettings { folder: "/home/u/.cache/wash/oci".into(), max_bytes: 1 << 20 })
        );
        assert_eq!(settings.credentials.environment.unwrap().registry.as_deref(), Some("ghcr.io"));
        let proxy = ProxyServer { url: Secret::new("http://proxy:1"), origin: "https_proxy".to_owned() };
        assert_eq!(settings.proxies.https, Some(proxy));
        let files = settings.credentials.files;
        assert_eq!(files[0], Path::new("/home/u/.docker/config.json"));
        assert_eq!(files[1], Path::new("/home/u/.config/containers/auth.json"));
    }

    #[test]
    fn a_rule_whose_key_cannot_be_read_is_an_error() {
        let text = "oci: { verification: [{ scope: ghcr.io, keys: [missing.pub] }] }";
        let config = Config::parse(Path::new("config.yaml"), text).unwrap();
        let environment = Environment::default();
        let place = Place { root: Path::new("/nowhere"), environment: &environment };
        assert!(matches!(settings(&config.oci, place), Err(ConfigurationError::Key { .. })));
        let none = Config::parse(Path::new("config.yaml"), "oci: { verification: [{ keys: [] }] }").unwrap();
        assert!(matches!(settings(&none.oci, place), Err(ConfigurationError::NoKeys(_))));
    }

    #[test]
    fn names_of_registries_are_one_however_they_are_written() {
        let text = "oci: { registries: { Index.docker.io: { plain_http: true } } }";
        let variables =
            [("WASH_REG_USER", "u"), ("WASH_REG_PASSWORD", "p"), ("WASH_REG_URL", "https://index.docker.io/v1/")];
        let settings = settings_of(text, &variables);
        assert_eq!(settings.registries["docker.io"].protocol, Protocol::PlainHttp);
        assert_eq!(settings.credentials.environment.unwrap().registry.as_deref(), Some("docker.io"));
    }
}
