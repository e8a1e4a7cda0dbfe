//! The section `oci`: how registries are reached, what must be signed, what is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::deserialize::{Field, Place, Shape, section};
use crate::error::ConfigError;
use crate::node::{Node, NodeKind};
use crate::origin::{Origin, Sourced};

section! {
    /// Registries of OCI artifacts. Paths are relative to the project's root, or to the folder of the user's file.
    Snake Oci {
        /// What is special about a registry, by its name: `host` or `host:port`.
        registries: BTreeMap<String, Sourced<OciRegistry>>,
        /// Certificates of authorities, in PEM, that are trusted besides the system's.
        ca_paths: Option<Sourced<Vec<PathBuf>>>,
        /// The folder in which pulled artifacts are kept.
        cache_dir: Option<Sourced<PathBuf>>,
        /// How many mebibytes are kept there.
        cache_max_mib: Option<Sourced<u32>>,
        /// Which artifacts must be signed, and by whom.
        verification: VerificationRules,
    }
}

section! {
    /// What is special about a registry.
    Snake OciRegistry {
        /// Whether it speaks plain HTTP. `false` means HTTPS on loopback too.
        plain_http: Option<Sourced<bool>>,
        /// Certificates of authorities, in PEM, that are trusted for it besides the others.
        ca_paths: Option<Sourced<Vec<PathBuf>>>,
        /// The certificate to identify with, in PEM, and its chain.
        client_cert_path: Option<Sourced<PathBuf>>,
        /// The private key of that certificate, in PEM; by default it is in the same file.
        client_key_path: Option<Sourced<PathBuf>>,
        /// Registries to pull from before it, as `host[:port][/prefix]`.
        mirrors: Option<Sourced<Vec<String>>>,
        /// Blobs above this many mebibytes are sent in pieces of this size.
        upload_chunk_mib: Option<Sourced<u32>>,
    }
}

section! {
    /// Artifacts that must be signed.
    Snake VerificationRule {
        /// A registry or the beginning of a repository, such as `ghcr.io/acme`; everything, when there is none.
        scope: Option<Sourced<String>>,
        /// Public keys in PEM. One of them must have signed.
        keys: Sourced<Vec<PathBuf>>,
    }
}

/// The rules of all layers: a higher layer adds to a lower one and takes nothing away, so that no project can undo what
/// its user demands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerificationRules(Vec<Sourced<VerificationRule>>);

impl VerificationRules {
    /// The rules, those of higher layers first. All that apply must be satisfied.
    pub fn iter(&self) -> impl Iterator<Item = &Sourced<VerificationRule>> {
        self.0.iter()
    }
}

impl Field for VerificationRules {
    const SHAPE: Shape = Shape::Compound;

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let NodeKind::List(items) = &node.kind else { return Err(place.wrong_type(node, "a list")) };
        let rules = items.iter().enumerate().map(|(index, item)| Sourced::present(item, &place.item(index, item)));
        rules.collect::<Result<_, _>>().map(Self)
    }

    fn combine(mut self, lower: Self) -> Self {
        self.0.extend(lower.0);
        self
    }

    fn origin(&self) -> Option<Origin> {
        self.0.first().map(|rule| rule.origin().clone())
    }
}
