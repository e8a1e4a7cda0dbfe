//! Files in Docker's format: `config.json`, and Podman's `auth.json`.
//!
//! Reads them and finds the entry for a repository; runs no helper and changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::Credential;
use crate::reference::Repository;

/// Larger files are no configuration.
const MAX_FILE_SIZE: u64 = 4 << 20;
/// Docker Hub's key in these files, and what helpers know it by.
pub(super) const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Some programs write the padding and some do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The part of such a file that is about credentials.
#[derive(Default, Deserialize)]
pub(crate) struct AuthFileContent {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(default, rename = "credsStore")]
    creds_store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

impl AuthFileContent {
    /// The file at `path`; none where there is none. An error never quotes the file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, String> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(err) => return Err(err.to_string()),
        };
        if !metadata.is_file() || metadata.len() > MAX_FILE_SIZE {
            return Err("it is no file of credentials".to_owned());
        }
        let bytes = std::fs::read(path).map_err(|err| err.to_string())?;
        Self::parse(&bytes).map(Some)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        // serde's own text may quote a value of the wrong type.
        serde_json::from_slice(bytes).map_err(|err| format!("no valid JSON of that kind at line {}", err.line()))
    }

    /// The helper that is responsible for a repository, and the name under which it knows the registry.
    pub(crate) fn helper(&self, repository: &Repository) -> Option<(String, String)> {
        let server = server(repository.registry());
        if let Some(helpers) = &self.cred_helpers
            && let Some((key, helper)) =
                keys(repository).into_iter().find_map(|key| helpers.get(&key).map(|helper| (key, helper)))
        {
            let server = if repository.registry() == "docker.io" { server } else { key };
            // An empty name says that no helper is to be asked.
            return (!helper.is_empty()).then(|| (helper.clone(), server));
        }
        let store = self.creds_store.as_ref().filter(|store| !store.is_empty())?;
        Some((store.clone(), server))
    }

    /// The credentials that stand in the file itself.
    pub(crate) fn stored(&self, repository: &Repository) -> Result<Option<Credential>, &'static str> {
        let Some(auths) = &self.auths else { return Ok(None) };
        let normalized: BTreeMap<String, &Entry> = auths.iter().map(|(key, entry)| (normalized(key), entry)).collect();
        for key in keys(repository) {
            if let Some(entry) = auths.get(&key).or_else(|| normalized.get(&key).copied())
                && let Some(credential) = entry.credential()?
            {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Ok(Some(Credential::RegistryToken(Secret::new(token))));
        }
        if let Some(token) = set(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = set(&self.auth) {
            let decoded = BASE64.decode(auth.trim()).map_err(|_| "`auth` is not base64")?;
            let text = String::from_utf8(decoded).map_err(|_| "`auth` is not text")?;
            let (user, password) = text.split_once(':').ok_or("`auth` has no colon")?;
            // Docker ends the password with zeros.
            let password = Secret::new(password.trim_end_matches('\0'));
            return Ok(Some(Credential::Password { user: user.to_owned(), password }));
        }
        match (set(&self.username), set(&self.password)) {
            (Some(user), Some(password)) => Ok(Some(Credential::Password { user, password: Secret::new(password) })),
            _ => Ok(None),
        }
    }
}

/// What helpers and files call a registry.
pub(super) fn server(registry: &str) -> String {
    if registry == "docker.io" { DOCKER_HUB_KEY.to_owned() } else { registry.to_owned() }
}

/// The keys under which a repository's credentials may stand, the most specific first.
fn keys(repository: &Repository) -> Vec<String> {
    let registry = repository.registry();
    let mut keys = Vec::new();
    let mut path = repository.path();
    loop {
        keys.push(format!("{registry}/{path}"));
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => break,
        }
    }
    if registry == "docker.io" {
        keys.push(DOCKER_HUB_KEY.to_owned());
        keys.extend(["index.docker.io", "docker.io", "registry-1.docker.io"].map(str::to_owned));
    } else {
        keys.push(registry.to_owned());
    }
    keys
}

/// A key as older programs write it, `https://host/v1/`, without what is around the host.
fn normalized(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    key.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        text.parse().unwrap()
    }

    fn user(content: &str, of: &str) -> Option<String> {
        let content = AuthFileContent::parse(content.as_bytes()).unwrap();
        match content.stored(&repository(of)).unwrap()? {
            Credential::Password { user, .. } => Some(user),
            Credential::IdentityToken(_) => Some("<identity>".into()),
            Credential::RegistryToken(_) => Some("<registry>".into()),
        }
    }

    /// `a:x`, `b:x` and `c:x` in base64.
    const FILE: &str = r#"{"auths":{
        "ghcr.io":{"auth":"YTp4"}, "ghcr.io/acme":{"auth":"Yjp4"}, "ghcr.io/acme/secret":{"auth":"Yzp4"},
        "https://old.example/v1/":{"auth":"YTp4"}, "https://index.docker.io/v1/":{"username":"hub","password":"x"},
        "token.example":{"auth":"YTp4","identitytoken":"t"}, "empty.example":{}, "bearer.example":{"registrytoken":"t"}
    }}"#;

    #[test]
    fn the_most_specific_entry_counts() {
        let table = [
            ("ghcr.io/acme/secret", Some("c")),
            ("ghcr.io/acme/secret/part", Some("c")),
            ("ghcr.io/acme/hello", Some("b")),
            ("ghcr.io/acmeother/hello", Some("a")),
            ("old.example/x", Some("a")),
            ("hello", Some("hub")),
            ("token.example/x", Some("<identity>")),
            ("bearer.example/x", Some("<registry>")),
            ("empty.example/x", None),
            ("other.example/x", None),
        ];
        for (of, expected) in table {
            assert_eq!(user(FILE, of).as_deref(), expected, "{of}");
        }
    }

    #[test]
    fn helpers_by_registry_come_before_the_one_for_all() {
        let text = r#"{"credsStore":"all","credHelpers":{"ghcr.io":"one","none.example":""}}"#;
        let content = AuthFileContent::parse(text.as_bytes()).unwrap();
        let helper = |of: &str| content.helper(&repository(of));
        assert_eq!(helper("ghcr.io/a/b"), Some(("one".into(), "ghcr.io".into())));
        assert_eq!(helper("hello"), Some(("all".into(), DOCKER_HUB_KEY.into())));
        assert_eq!(helper("none.example/a"), None);
    }

    #[test]
    fn a_broken_file_is_not_quoted() {
        let error = |text: &str| AuthFileContent::parse(text.as_bytes()).err().unwrap();
        assert!(!error(r#"{"auths":{"a":{"auth":12345}}}"#).contains("12345"));
        assert!(AuthFileContent::parse(b"").is_ok());
        let content = AuthFileContent::parse(br#"{"auths":{"a.io":{"auth":"!!!"}}}"#).unwrap();
        assert!(content.stored(&repository("a.io/b")).is_err());
    }
}
