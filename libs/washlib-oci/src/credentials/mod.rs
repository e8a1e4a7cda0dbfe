//! Credentials for registries: where they are looked for, in which order, and what is found.
//!
//! Nothing is looked up before a registry asks for it. Programs that run to get a secret get the registry's name on
//! stdin and a time limit; no secret is in an argument, a log or an error.

mod docker_config;
mod helper;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

use crate::reference::Repository;

pub use helper::HelperError;
pub use store::{StoreError, Stored, erase, store};

pub(crate) use docker_config::AuthFileContent;

/// Where credentials are looked for. The first place that has some for a registry counts.
#[derive(Clone, Debug)]
pub struct CredentialSources {
    /// What came along with the reference, such as a pull secret of Kubernetes.
    pub document: Option<DocumentCredentials>,
    /// A user and password from the command line.
    pub explicit: Option<ExplicitCredential>,
    /// A user and password from environment variables.
    pub environment: Option<ExplicitCredential>,
    /// One of them without the other, which is not used.
    pub incomplete: Option<IncompleteCredential>,
    /// The text of a file in Docker's format, from `DOCKER_AUTH_CONFIG`.
    pub inline: Option<Secret>,
    /// Files in Docker's format, which Podman and others share.
    pub files: Vec<PathBuf>,
    /// The folders in which credential helpers are looked for: `PATH`.
    pub helper_path: Option<OsString>,
    /// How long a credential helper may take.
    pub helper_timeout: Duration,
}

impl Default for CredentialSources {
    fn default() -> Self {
        Self {
            document: None,
            explicit: None,
            environment: None,
            incomplete: None,
            inline: None,
            files: Vec::new(),
            helper_path: None,
            helper_timeout: Self::DEFAULT_HELPER_TIMEOUT,
        }
    }
}

impl CredentialSources {
    /// Helpers may have to unlock a keyring or to ask a cloud.
    pub const DEFAULT_HELPER_TIMEOUT: Duration = Duration::from_secs(30);
}

/// The text of a file in Docker's format that a document brings along. Others may have written it, so that no credential
/// helper that it names is run.
#[derive(Clone, Debug)]
pub struct DocumentCredentials {
    /// The text.
    pub text: Secret,
    /// Where it comes from, for messages.
    pub origin: String,
}

/// A user and password that somebody gave for one registry or for all.
#[derive(Clone, Debug)]
pub struct ExplicitCredential {
    /// The registry that they are for; none for each that asks. Mirrors are never told.
    pub registry: Option<String>,
    /// The user.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// Where they come from, for messages, such as `--user`.
    pub origin: String,
}

/// A user without a password, or a password without a user.
#[derive(Clone, Debug)]
pub struct IncompleteCredential {
    /// The registry that it is for; none for each that asks.
    pub registry: Option<String>,
    /// What is there and what is missing, for messages.
    pub reason: String,
}

/// What a registry or its token server is shown.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A user and password.
    Password { user: String, password: Secret },
    /// An OAuth2 refresh token, to be exchanged.
    IdentityToken(Secret),
    /// A token for the registry itself.
    RegistryToken(Secret),
}

/// What a search found, and where it looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) credential: Option<Credential>,
    /// For an error, in the order in which it happened.
    pub(crate) tried: Vec<String>,
}

impl CredentialSources {
    /// The credentials for a repository.
    pub(crate) async fn find(&self, repository: &Repository) -> Found {
        let mut tried = Vec::new();
        if let Some(DocumentCredentials { text, origin }) = &self.document {
            match AuthFileContent::parse(text.expose().as_bytes()) {
                Ok(content) => {
                    if let Some((helper, _)) = content.helper(repository) {
                        tried.push(format!(
                            "{origin} names docker-credential-{helper}, which is not run for a document"
                        ));
                    }
                    if let Some(credential) = stored(&content, origin, repository, &mut tried) {
                        return Found { credential: Some(credential), tried };
                    }
                }
                Err(reason) => tried.push(format!("{origin} cannot be read ({reason})")),
            }
        }
        for explicit in [&self.explicit, &self.environment].into_iter().flatten() {
            if explicit.registry.as_deref().is_none_or(|registry| registry == repository.registry()) {
                tried.push(format!("asked as user `{}` from {}", explicit.user, explicit.origin));
                let password = explicit.password.clone();
                return Found {
                    credential: Some(Credential::Password { user: explicit.user.clone(), password }),
                    tried,
                };
            }
        }
        if let Some(IncompleteCredential { registry, reason }) = &self.incomplete
            && registry.as_deref().is_none_or(|registry| registry == repository.registry())
        {
            tried.push(reason.clone());
        }
        if let Some(text) = &self.inline {
            match AuthFileContent::parse(text.expose().as_bytes()) {
                Ok(content) => {
                    if let Some(credential) = self.in_file(&content, "DOCKER_AUTH_CONFIG", repository, &mut tried).await
                    {
                        return Found { credential: Some(credential), tried };
                    }
                }
                Err(reason) => tried.push(format!("DOCKER_AUTH_CONFIG cannot be read ({reason})")),
            }
        }
        for path in &self.files {
            let shown = path.display().to_string();
            let content = match AuthFileContent::read(path) {
                Ok(Some(content)) => content,
                Ok(None) => continue,
                Err(reason) => {
                    tracing::warn!("{shown} cannot be read: {reason}");
                    tried.push(format!("{shown} cannot be read ({reason})"));
                    continue;
                }
            };
            if let Some(credential) = self.in_file(&content, &shown, repository, &mut tried).await {
                return Found { credential: Some(credential), tried };
            }
        }
        if tried.is_empty() {
            tried.push("no credentials were found".to_owned());
        }
        Found { credential: None, tried }
    }

    async fn in_file(
        &self,
        content: &AuthFileContent,
        shown: &str,
        repository: &Repository,
        tried: &mut Vec<String>,
    ) -> Option<Credential> {
        if let Some((helper, server)) = content.helper(repository) {
            let asked = helper::get(&helper, &server, self.helper_path.as_deref(), self.helper_timeout).await;
            match asked {
                Ok(Some(credential)) => {
                    tried.push(format!("asked as {} from docker-credential-{helper}", describe(&credential)));
                    return Some(credential);
                }
                Ok(None) => tried.push(format!("docker-credential-{helper} knows no credentials for {server}")),
                Err(err) => {
                    let reason = crate::error::printable(&error_text(&err));
                    tracing::warn!("{reason}");
                    tried.push(reason);
                }
            }
        }
        stored(content, shown, repository, tried)
    }
}

fn stored(
    content: &AuthFileContent,
    shown: &str,
    repository: &Repository,
    tried: &mut Vec<String>,
) -> Option<Credential> {
    match content.stored(repository) {
        Ok(Some(credential)) => {
            tried.push(format!("asked as {} from {shown}", describe(&credential)));
            Some(credential)
        }
        Ok(None) => {
            tried.push(format!("{shown} has no credentials for {}", repository.registry()));
            None
        }
        Err(reason) => {
            tried.push(format!("{shown} has unusable credentials for {} ({reason})", repository.registry()));
            None
        }
    }
}

fn error_text(err: &dyn std::error::Error) -> String {
    match err.source() {
        Some(source) => format!("{err}: {source}"),
        None => err.to_string(),
    }
}

fn describe(credential: &Credential) -> String {
    match credential {
        Credential::Password { user, .. } => format!("user `{}`", crate::error::printable(user)),
        Credential::IdentityToken(_) => "the owner of the identity token".to_owned(),
        Credential::RegistryToken(_) => "the owner of the registry token".to_owned(),
    }
}
