//! What the cache remembers besides blobs: what tags last meant, and where registries had blobs.
//!
//! A note may be wrong, and gone at any time: whoever reads one can do without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::entries::{File, files_in};
use super::{Cache, CacheError};
use crate::digest::Digest;
use crate::reference::Repository;

/// Where a blob was is forgotten after this long: repositories come and go.
const PLACE_KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A note repeats its key: the name of the file is only its hash.
#[derive(Deserialize, Serialize)]
struct Note<T> {
    key: String,
    value: T,
}

/// The part of a note that names a blob.
#[derive(Deserialize)]
struct Pointer {
    digest: Digest,
}

/// Where a blob was last seen in a registry.
#[derive(Deserialize, Serialize)]
struct BlobPlace {
    repository: String,
}

/// What a note is about. What is neither is forgotten by nobody but `clean`.
#[derive(Deserialize)]
#[serde(untagged)]
enum About {
    Blob(Pointer),
    Place {
        #[serde(rename = "repository")]
        _repository: IgnoredAny,
    },
}

impl Cache {
    /// What was last remembered under a key.
    pub(crate) fn recall<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let bytes = std::fs::read(self.note_path(key)).ok()?;
        // What cannot be read is asked for again.
        let note: Note<T> = serde_json::from_slice(&bytes).ok()?;
        (note.key == key).then_some(note.value)
    }

    /// Remembers a value under a key.
    pub(crate) fn remember<T: Serialize>(&self, key: &str, value: &T) -> Result<(), CacheError> {
        let note = Note { key: key.to_owned(), value };
        let bytes = serde_json::to_vec(&note).map_err(io::Error::from)?;
        self.write_atomically(&self.note_path(key), &bytes)
    }

    /// The repository of a registry in which a blob was last seen.
    pub(crate) fn place_of_blob(&self, registry: &str, digest: &Digest) -> Option<Repository> {
        let place: BlobPlace = self.recall(&blob_key(registry, digest))?;
        place.repository.parse().ok()
    }

    /// Remembers that a repository has a blob. Failing to is no failure: the blob is sent where its registry could have
    /// taken it over.
    pub(crate) fn remember_place_of_blob(&self, repository: &Repository, digest: &Digest) {
        let registry = repository.registry();
        if self.place_of_blob(registry, digest).as_ref() == Some(repository) {
            return;
        }
        let place = BlobPlace { repository: repository.to_string() };
        if let Err(err) = self.remember(&blob_key(registry, digest), &place) {
            tracing::debug!("that {repository} has {digest} is not remembered: {err}");
        }
    }

    /// The references that notes speak of, by what they mean.
    pub(super) fn references(&self) -> BTreeMap<Digest, Vec<String>> {
        let mut references: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for (_, note) in self.notes::<Pointer>() {
            references.entry(note.value.digest).or_default().insert(note.key);
        }
        references.into_iter().map(|(digest, keys)| (digest, keys.into_iter().collect())).collect()
    }

    /// Removes notes about what is not there, and those about places of blobs that are older than `unused_for`.
    pub(super) fn forget(&self, now: SystemTime, unused_for: Option<Duration>) -> Result<(), CacheError> {
        let longest = unused_for.unwrap_or(PLACE_KEPT_FOR).min(PLACE_KEPT_FOR);
        for (file, note) in self.notes::<About>() {
            let is_void = match note.value {
                About::Blob(Pointer { digest }) => !self.blob_path(&digest).exists(),
                About::Place { .. } => file.age(now) > longest,
            };
            if is_void {
                super::remove(&file.path)?;
            }
        }
        Ok(())
    }

    fn notes<T: DeserializeOwned>(&self) -> Vec<(File, Note<T>)> {
        let files = files_in(&self.folder.join("tags")).unwrap_or_default();
        let note = |file: File| {
            let bytes = std::fs::read(&file.path).ok()?;
            let note = serde_json::from_slice(&bytes).ok()?;
            Some((file, note))
        };
        files.into_iter().filter_map(note).collect()
    }

    fn note_path(&self, key: &str) -> PathBuf {
        self.folder.join("tags").join(format!("{}.json", Digest::of(key.as_bytes()).hex()))
    }
}

/// The key of the place of a blob.
fn blob_key(registry: &str, digest: &Digest) -> String {
    format!("place of {digest} in {registry}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Prune;

    #[test]
    fn notes_of_other_keys_and_broken_ones_are_forgotten() {
        let cache = Cache::temporary().unwrap();
        cache.remember("a", &1_u32).unwrap();
        assert_eq!(cache.recall::<u32>("a"), Some(1));
        assert_eq!(cache.recall::<u32>("b"), None);
        std::fs::copy(cache.note_path("a"), cache.note_path("b")).unwrap();
        assert_eq!(cache.recall::<u32>("b"), None);
        std::fs::write(cache.note_path("a"), b"{").unwrap();
        assert_eq!(cache.recall::<u32>("a"), None);
    }

    #[test]
    fn the_last_place_of_a_blob_is_known_for_each_registry() {
        let cache = Cache::temporary().unwrap();
        let repository = |text: &str| text.parse::<Repository>().unwrap();
        let (digest, other) = (Digest::of(b"blob"), Digest::of(b"other"));
        for text in ["ghcr.io/acme/a", "[::1]:5000/a", "ubuntu", "ghcr.io/acme/b"] {
            cache.remember_place_of_blob(&repository(text), &digest);
            let registry = repository(text).registry().to_owned();
            assert_eq!(cache.place_of_blob(&registry, &digest), Some(repository(text)));
        }
        assert_eq!(cache.place_of_blob("[::1]:5000", &digest), Some(repository("[::1]:5000/a")));
        assert_eq!(cache.place_of_blob("ghcr.io", &other), None);
        assert_eq!(cache.place_of_blob("localhost:5000", &digest), None);
    }

    #[test]
    fn places_of_blobs_outlive_a_pruning_until_they_are_old() {
        let cache = Cache::temporary().unwrap();
        let repository: Repository = "ghcr.io/acme/a".parse().unwrap();
        let digest = Digest::of(b"blob");
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let is_known_after = |age: Duration, unused_for: Option<Duration>| {
            cache.remember_place_of_blob(&repository, &digest);
            let note = cache.note_path(&blob_key("ghcr.io", &digest));
            std::fs::File::open(note).unwrap().set_modified(SystemTime::now() - age).unwrap();
            cache.prune(Prune { unused_for, max_bytes: None }).unwrap();
            cache.place_of_blob("ghcr.io", &digest).is_some()
        };
        assert!(is_known_after(days(80), None));
        assert!(!is_known_after(days(100), None));
        assert!(!is_known_after(days(40), Some(days(30))));
        assert!(!is_known_after(days(100), Some(days(200))));
        assert!(is_known_after(days(20), Some(days(30))));
        cache.clean().unwrap();
        assert_eq!(cache.place_of_blob("ghcr.io", &digest), None);
    }
}
