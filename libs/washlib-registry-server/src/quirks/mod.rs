//! Registries that misbehave, for the tests of clients: in the process, on loopback, each with a folder of its own.
//!
//! A [`TestRegistry`] runs on a thread of its own, so that it serves tests with and without an async runtime. It panics
//! where something is wrong, as a test would.
//!
//! ```
//! use washlib_registry_server::quirks::{Fault, Place, Quirk, TestRegistry};
//!
//! let registry = TestRegistry::builder()
//!     .quirk(Quirk::NoReferrers)
//!     .quirk(Quirk::fault(Place::Blob, Fault::TooManyRequests { retry_after: 1 }).times(2))
//!     .start();
//! let reference = registry.reference("hello:1.0.0");
//! // A client pushes and pulls …
//! assert!(registry.requests().is_empty());
//! # drop(reference);
//! ```

mod answers;
mod faults;
mod registry;
mod seen;
mod tokens;

pub use faults::{Fault, Faulty, Place};
pub use registry::{TestRegistry, TestRegistryBuilder};
pub use seen::SeenRequest;
pub use tokens::{TokenField, Tokens};

/// A way in which a registry differs from the specification, or from what clients expect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Quirk {
    /// There are no referrers: their place is not known, and nothing is said of a subject.
    NoReferrers,
    /// Referrers are all returned, whatever type was asked for.
    UnfilteredReferrers,
    /// No blob is mounted: an upload begins instead.
    NoMount,
    /// Responses have no `Location`, at this place.
    NoLocation(Place),
    /// Uploads go on at another host, with an absolute `Location`.
    UploadsElsewhere,
    /// `Location` of an upload has a query of its own, which must be kept.
    LocationWithQuery,
    /// Blobs are at another host, where each request for one is sent with status 307.
    BlobsElsewhere,
    /// Nothing says what a content's digest is.
    NoDigestHeader,
    /// Lists have pages of so many items at most.
    PageSize(usize),
    /// Pages follow each other without an end: each links to itself.
    EndlessPages,
    /// A repository without tags has `null` for a list of tags; one with tags has that too.
    NullTags,
    /// Nothing can be deleted.
    NoDelete,
    /// A manifest's `HEAD` is not known.
    NoHead,
    /// Blobs cannot be sent in pieces: `PATCH` is not known.
    NoPieces,
    /// Ranges are ignored: the whole content comes.
    NoRanges,
    /// Only manifests whose config has one of these media types can be pushed.
    ConfigTypes(Vec<String>),
    /// A user and a password are needed: HTTP's Basic scheme.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        password: String,
    },
    /// Bearer tokens are needed; they come from `/token`.
    Tokens(Tokens),
    /// Something fails.
    Fault(Faulty),
}

impl Quirk {
    /// A fault at each request for a place.
    pub fn fault(place: Place, fault: Fault) -> Faulty {
        Faulty::new(place, fault)
    }
}

impl From<Faulty> for Quirk {
    fn from(fault: Faulty) -> Self {
        Self::Fault(fault)
    }
}

impl From<Tokens> for Quirk {
    fn from(tokens: Tokens) -> Self {
        Self::Tokens(tokens)
    }
}
