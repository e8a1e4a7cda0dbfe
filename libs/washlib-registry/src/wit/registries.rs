//! Which registry a package is looked up in, and how that registry is reached: wasm-pkg's configuration, the registries
//! of the project, and the namespaces that everybody knows.
//!
//! Reads one file; contacts nobody.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;
use thiserror::Error;
use washlib_config::Environment;
use washlib_wit::PackageName;

use wasm_pkg_common::config::{Config, RegistryMapping};
use wasm_pkg_common::metadata::RegistryMetadata;
use wasm_pkg_common::package::PackageRef;
use wasm_pkg_common::registry::Registry;

/// Whom to log in as.
#[derive(Clone, Eq, Hash, PartialEq)]
pub enum Login {
    /// A user with a password or a token in its place.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: String,
        /// Where it is configured, for messages.
        origin: String,
    },
    /// A token for the registry itself.
    Token {
        /// The token.
        token: String,
        /// Where it is configured, for messages.
        origin: String,
    },
}

impl Login {
    /// Where it is configured.
    pub fn origin(&self) -> &str {
        match self {
            Self::Password { origin, .. } | Self::Token { origin, .. } => origin,
        }
    }
}

/// Without the secrets.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

/// Namespaces with a registry of their own, besides those that wasm-pkg knows.
const KNOWN_NAMESPACES: [(&str, &str); 2] = [("wasmcloud", "wasmcloud.com"), ("wrpc", "bytecodealliance.org")];

/// Why the configuration of registries cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistriesError {
    /// The file cannot be read.
    #[error("cannot read the configuration of registries")]
    Read(#[source] io::Error),
    /// The file does not follow the format.
    #[error("`{}` is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// An address with a secret in it, which would be shown wherever the address is.
    #[error("the address of `{url}` has credentials in it; they belong in `token`, with `username` if there is one")]
    Credentials {
        /// What was given, without credentials.
        url: String,
    },
    /// An address that is none.
    #[error("`{url}` is no address of a registry")]
    Address {
        /// What was given, without credentials.
        url: String,
    },
}

/// A registry of the project.
#[derive(Clone, Debug)]
pub struct ProjectRegistry {
    /// Host and port, and a path when its packages are below one.
    pub name: String,
    /// Whether it is reached without TLS.
    pub is_plain: bool,
    /// Whom to log in as.
    pub login: Option<Login>,
}

impl ProjectRegistry {
    /// Of an address such as `https://registry.example.com` or `ghcr.io/acme`.
    ///
    /// # Errors
    ///
    /// When it is no address.
    pub fn new(url: &str, login: Option<Login>) -> Result<Self, RegistriesError> {
        let shown = without_credentials(url);
        if shown != url {
            return Err(RegistriesError::Credentials { url: shown });
        }
        let (is_plain, rest) = match url.split_once("://") {
            Some(("https" | "oci", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some(_) => return Err(RegistriesError::Address { url: shown }),
            None => (false, url),
        };
        let name = rest.trim_end_matches('/');
        let host = name.split('/').next().unwrap_or_default();
        if host.parse::<Registry>().is_err() {
            return Err(RegistriesError::Address { url: shown });
        }
        Ok(Self { name: name.to_owned(), is_plain, login })
    }
}

/// All that is configured.
#[derive(Clone, Debug)]
pub struct Registries {
    config: Config,
    project: Vec<ProjectRegistry>,
    environment: Environment,
}

/// How a registry is reached.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// Its name, as in the lock.
    pub(super) name: String,
    pub(super) kind: AccessKind,
}

#[derive(Clone, Debug)]
pub(super) enum AccessKind {
    /// A folder of this machine.
    Local { root: PathBuf },
    /// The registry of this address, or the one that it names itself if it is asked.
    Remote { metadata: Option<RegistryMetadata>, is_plain: bool, prefix: Option<String>, login: Option<Login> },
}

/// The part `[registry."host".oci]`.
#[derive(Default, Deserialize)]
struct OciTable {
    auth: Option<OciAuth>,
    protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OciAuth {
    Encoded(String),
    Pair { username: String, password: String },
}

#[derive(Deserialize)]
struct LocalTable {
    root: PathBuf,
}

impl Registries {
    /// Reads wasm-pkg's configuration: the file that `WKG_CONFIG_FILE` names, which must exist, or `user_file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or understood.
    pub fn read(
        named_file: Option<&Path>,
        user_file: Option<&Path>,
        project: Vec<ProjectRegistry>,
        environment: &Environment,
    ) -> Result<Self, RegistriesError> {
        let mut config = Config::default();
        let text = match (named_file, user_file) {
            (Some(path), _) => Some((path, fs::read_to_string(path).map_err(RegistriesError::Read)?)),
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(text) => Some((path, text)),
                Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
                Err(err) => return Err(RegistriesError::Read(err)),
            },
            (None, None) => None,
        };
        if let Some((path, text)) = text {
            let parsed = Config::from_toml(&text)
                .map_err(|err| RegistriesError::Malformed { path: path.to_owned(), reason: chain(&err) })?;
            config.merge(parsed);
        }
        Ok(Self { config, project, environment: environment.clone() })
    }

    /// The registries to ask for a package, the first one first.
    pub(super) fn candidates(&self, package: &PackageName) -> Vec<String> {
        let Some(reference) = reference(package) else { return Vec::new() };
        if let Some(mapping) = self.mapping(&reference) {
            return vec![registry_of(mapping).to_string()];
        }
        let mut candidates: Vec<String> = self.project.iter().map(|registry| registry.name.clone()).collect();
        let known = KNOWN_NAMESPACES.iter().find(|(namespace, _)| *namespace == package.namespace());
        let last = self.config.resolve_registry(&reference).map(ToString::to_string);
        let last = last.or_else(|| known.map(|(_, registry)| (*registry).to_owned()));
        candidates.extend(last.filter(|last| !candidates.contains(last)));
        candidates
    }

    /// How to reach the registry `name` for a package.
    pub(super) fn access(&self, name: &str, package: &PackageName) -> Result<Access, RegistriesError> {
        let of = |kind| Access { name: name.to_owned(), kind };
        if let Some(registry) = self.project.iter().find(|registry| registry.name == name) {
            let prefix = name.split_once('/').map(|(_, path)| format!("{path}/"));
            let ProjectRegistry { is_plain, login, .. } = registry.clone();
            // One with a path is a place in an OCI registry, and has nothing to say about itself.
            let metadata = prefix.is_some().then(RegistryMetadata::default);
            return Ok(of(AccessKind::Remote { metadata, is_plain, prefix, login }));
        }
        let registry: Registry = name.parse().map_err(|_| RegistriesError::Address { url: name.to_owned() })?;
        let config = self.config.registry_config(&registry).cloned().unwrap_or_default();
        let malformed = |err: wasm_pkg_common::Error| RegistriesError::Malformed {
            path: PathBuf::from(format!("registry.\"{name}\"")),
            reason: chain(&err),
        };
        if config.default_backend() == Some("local") {
            let table: Option<LocalTable> = config.backend_config("local").map_err(malformed)?;
            if let Some(LocalTable { root }) = table {
                return Ok(of(AccessKind::Local { root }));
            }
        }
        let table: OciTable = config.backend_config("oci").map_err(malformed)?.unwrap_or_default();
        let mapped = reference(package).and_then(|reference| self.mapping(&reference).cloned());
        let metadata = match mapped {
            Some(RegistryMapping::Custom(custom)) if custom.registry == registry => Some(custom.metadata),
            _ => None,
        };
        let is_plain = match table.protocol.as_deref() {
            Some(protocol) => protocol == "http",
            // Loopback is found out.
            None => false,
        };
        let login = table.auth.and_then(|auth| login(auth, name));
        Ok(of(AccessKind::Remote { metadata, is_plain, prefix: None, login }))
    }

    /// The token that `WKG_REGISTRY_<HOST>_AUTH_BEARER` holds for a host.
    pub(super) fn bearer_token(&self, host: &str) -> Option<Login> {
        let name: String =
            host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let variable = format!("WKG_REGISTRY_{name}_AUTH_BEARER");
        let token = self.environment.get(&variable)?.to_str()?;
        (!token.is_empty()).then(|| Login::Token { token: token.to_owned(), origin: variable })
    }

    fn mapping(&self, reference: &PackageRef) -> Option<&RegistryMapping> {
        let of_package = self.config.package_registry_override(reference);
        of_package.or_else(|| self.config.namespace_registry(reference.namespace()))
    }
}

fn reference(package: &PackageName) -> Option<PackageRef> {
    package.to_string().parse().ok()
}

fn registry_of(mapping: &RegistryMapping) -> &Registry {
    match mapping {
        RegistryMapping::Registry(registry) => registry,
        RegistryMapping::Custom(custom) => &custom.registry,
    }
}

/// A URL without user name and password, whether it has a scheme or not.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("{host}{path}"),
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}

fn login(auth: OciAuth, registry: &str) -> Option<Login> {
    let origin = format!("`auth` of `{registry}` in wasm-pkg's configuration");
    match auth {
        OciAuth::Pair { username, password } => Some(Login::Password { username, password, origin }),
        OciAuth::Encoded(text) => {
            use base64::Engine as _;
            let engine = base64::engine::general_purpose::STANDARD;
            let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
            let decoded = String::from_utf8(engine.decode(padded).ok()?).ok()?;
            let (username, password) = decoded.split_once(':')?;
            Some(Login::Password { username: username.to_owned(), password: password.to_owned(), origin })
        }
    }
}

/// An error and its causes in one line.
pub(super) fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(err) = next {
        let cause = err.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = err.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(text: &str, project: &[&str]) -> Registries {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let project = project.iter().map(|url| ProjectRegistry::new(url, None).unwrap()).collect();
        Registries::read(Some(&path), None, project, &Environment::default()).unwrap()
    }

    fn candidates(registries: &Registries, package: &str) -> Vec<String> {
        registries.candidates(&package.parse().unwrap())
    }

    #[test]
    fn namespaces_that_everybody_knows_have_registries() {
        let registries = registries("", &[]);
        for (package, registry) in [
            ("wasi:http", "wasi.dev"),
            ("ba:x", "bytecodealliance.org"),
            ("wasmcloud:messaging", "wasmcloud.com"),
            ("wrpc:x", "bytecodealliance.org"),
        ] {
            assert_eq!(candidates(&registries, package), [registry]);
        }
        assert!(candidates(&registries, "acme:x").is_empty());
    }

    #[test]
    fn what_is_written_for_a_package_comes_first() {
        let text = "default_registry = \"default.example\"\n\
            [namespace_registries]\nwasi = \"mirror.example\"\n\
            [package_registry_overrides]\n\"wasi:http\" = \"http.example\"\n";
        let registries = registries(text, &["https://private.example/", "http://localhost:5000"]);
        assert_eq!(candidates(&registries, "wasi:http"), ["http.example"]);
        assert_eq!(candidates(&registries, "wasi:io"), ["mirror.example"]);
        assert_eq!(candidates(&registries, "acme:x"), ["private.example", "localhost:5000", "default.example"]);
    }

    #[test]
    fn access_follows_the_configuration() {
        let text = "[namespace_registries]\n\
            a = { registry = \"a.example\", metadata = { preferredProtocol = \"oci\", oci = { registry = \"ghcr.io\", namespacePrefix = \"x/\" } } }\n\
            [registry.\"l.example\".local]\nroot = \"/packages\"\n\
            [registry.\"o.example\".oci]\nauth = \"cGluZzpwb25n\"\nprotocol = \"http\"\n";
        let registries = registries(text, &["https://ghcr.io/acme"]);
        let package = "a:b".parse().unwrap();
        let kind = |name: &str| registries.access(name, &package).unwrap().kind;
        assert!(matches!(kind("l.example"), AccessKind::Local { root } if root == Path::new("/packages")));
        assert!(matches!(kind("a.example"), AccessKind::Remote { metadata: Some(_), is_plain: false, .. }));
        let AccessKind::Remote { is_plain: true, login: Some(Login::Password { username, password, .. }), .. } =
            kind("o.example")
        else {
            panic!()
        };
        assert_eq!((username.as_str(), password.as_str()), ("ping", "pong"));
        assert!(matches!(kind("ghcr.io/acme"), AccessKind::Remote { prefix: Some(prefix), .. } if prefix == "acme/"));
        assert!(matches!(kind("127.0.0.1:5000"), AccessKind::Remote { is_plain: false, .. }));
    }

    #[test]
    fn addresses_are_checked() {
        for url in ["ftp://x", "https://", "a b"] {
            let err = ProjectRegistry::new(url, None).unwrap_err();
            assert!(matches!(err, RegistriesError::Address { .. }), "{err}");
        }
        for url in ["https://bob:s3cret@x", "bob:s3cret@x/acme", "ftp://s3cret@x", "https://bob:s3@cret@x"] {
            let err = ProjectRegistry::new(url, None).unwrap_err().to_string();
            assert!(err.contains("`token`") && !err.contains("cret@") && !err.contains("s3"), "{err}");
        }
    }

    #[test]
    fn a_malformed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "registries = 3\n").unwrap();
        let err = Registries::read(None, Some(&path), Vec::new(), &Environment::default()).unwrap_err().to_string();
        assert!(err.contains("config.toml") && err.contains("registries"), "{err}");
        assert!(Registries::read(None, Some(&folder.path().join("none")), Vec::new(), &Environment::default()).is_ok());
        assert!(
            Registries::read(Some(&folder.path().join("none")), None, Vec::new(), &Environment::default()).is_err()
        );
    }
}
