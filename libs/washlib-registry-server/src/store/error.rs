//! What can go wrong between a request and the disk.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::name::{Digest, Reference, Repository};

/// Why a folder cannot hold a registry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder is an image layout, whereas a registry has one in a folder below for each repository.
    #[error("{} is itself an image layout", path.display())]
    IsLayout {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot keep a registry there")]
    Io(#[from] io::Error),
}

/// Why the store did not do what it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing has been pushed to a repository of this name.
    #[error("repository `{0}` is not known")]
    UnknownRepository(Repository),
    /// The repository has no such manifest.
    #[error("`{repository}` has no manifest `{reference}`")]
    UnknownManifest {
        /// Where.
        repository: Repository,
        /// Which.
        reference: Reference,
    },
    /// The repository has no such blob.
    #[error("`{repository}` has no blob `{digest}`")]
    UnknownBlob {
        /// Where.
        repository: Repository,
        /// Which.
        digest: Digest,
    },
    /// There is no such upload, or no longer.
    #[error("there is no such upload")]
    UnknownUpload,
    /// A manifest names a blob that was not pushed before.
    #[error("the manifest names a blob that is not here: `{0}`")]
    MissingBlob(Digest),
    /// A manifest is none.
    #[error("{0}")]
    InvalidManifest(String),
    /// A manifest is larger than a client would accept.
    #[error("a manifest has at most {limit} bytes")]
    ManifestTooLarge {
        /// The largest number of bytes.
        limit: usize,
    },
    /// The content does not have the digest that it was announced with.
    #[error("the content has the digest `{actual}`, not `{expected}`")]
    DigestMismatch {
        /// What it was announced with.
        expected: Digest,
        /// What it has.
        actual: Digest,
    },
    /// A piece of a blob does not follow what is here.
    #[error("{received} bytes are here; the next piece must begin there")]
    OutOfOrder {
        /// How many bytes the upload has.
        received: u64,
    },
    /// Somebody else is working on the same thing.
    #[error("somebody else is working on {0}")]
    Busy(&'static str),
    /// Too many uploads were begun and not finished.
    #[error("{limit} uploads are unfinished already")]
    TooManyUploads {
        /// How many there may be.
        limit: usize,
    },
    /// The index of a repository, which is no request's fault.
    #[error("cannot read the index {}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The system refused.
    #[error("the registry's disk refused")]
    Io(#[from] io::Error),
}
