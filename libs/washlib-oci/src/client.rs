//! The client: what can be asked of registries, one method for each thing.
//!
//! Holds the settings, the connections and the cache; the methods stand with what they are about.

use std::sync::Arc;

use crate::cache::{Cache, CacheError};
use crate::error::RegistryError;
use crate::http::{Request, Target, Transport};
use crate::progress::Progress;
use crate::reference::{Reference, ReferenceError, Repository};
use crate::settings::{Settings, VerificationRule};

/// Speaks to any number of registries. Clones share connections, tokens and the cache.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) cache: Cache,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these settings. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When no cache is set and a temporary one cannot be made.
    pub fn new(settings: Settings) -> Result<Self, CacheError> {
        let cache = match &settings.cache {
            Some(settings) => Cache::open(settings),
            None => Cache::temporary()?,
        };
        let settings = Arc::new(settings);
        Ok(Self { transport: Arc::new(Transport::new(Arc::clone(&settings))), settings, cache })
    }

    /// Where pulled artifacts are kept.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The rules that say whose signatures an artifact of a repository needs.
    pub fn verification_rules(&self, repository: &Repository) -> Vec<&VerificationRule> {
        self.settings.verification.iter().filter(|rule| rule.covers(repository)).collect()
    }

    /// A registry by itself, as `host` or `host:port`, for logging in.
    ///
    /// # Errors
    ///
    /// When it is no name of a registry.
    pub fn registry(name: &str) -> Result<Repository, ReferenceError> {
        Repository::of_registry(name)
    }

    /// Asks a registry whether it lets us in.
    ///
    /// # Errors
    ///
    /// When it does not, or cannot be reached.
    pub async fn check_access(&self, registry: &Repository, progress: &dyn Progress) -> Result<(), RegistryError> {
        let request = Request::new(registry, reqwest::Method::GET, Target::Root, progress)
            .about(format!("access to {}", registry.registry()), "interface for version 2 of the protocol")
            .scopes([]);
        self.transport.send(&request).await.map(drop)
    }

    /// Where to pull from: the mirrors, then the registry itself.
    pub(crate) fn places(&self, repository: &Repository) -> Result<Vec<Repository>, RegistryError> {
        let mirrors = self.settings.registry(repository.registry()).mirrors;
        let mut places = Vec::with_capacity(mirrors.len() + 1);
        for mirror in mirrors {
            let place = repository.mirrored(&mirror);
            places.push(place.map_err(|err| RegistryError::Setting(format!("the mirror `{mirror}` is none: {err}")))?);
        }
        places.push(repository.clone());
        Ok(places)
    }
}

/// A reference as part of a manifest's address.
pub(crate) fn manifest_target(reference: &Reference) -> Target {
    Target::Repository(format!("manifests/{}", reference.identifier()))
}
