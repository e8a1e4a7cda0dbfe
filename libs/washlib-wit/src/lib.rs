//! WIT dependencies of a project: the sources and what they refer to, the lock, `wit/deps`, and edits of the sources that
//! keep comments and layout.
//!
//! Knows no network: whatever is not on this machine is asked of a [`PackageSource`]. [`plan`] decides without changing
//! anything, [`apply`] changes everything at once or nothing.
//!
//! The files are those of wkg (`wkg.toml`, `wkg.lock`, `wit/deps`), so that a project can be used with both in turn.

mod build;
mod cache;
mod clean;
mod compatibility;
mod deps_dir;
mod digest;
mod edit;
mod graph;
mod guard;
mod hints;
mod lexer;
mod location;
mod lock;
mod manifest;
mod names;
mod operations;
mod project;
mod read;
mod references;
mod render;
mod resolve;
mod source;
mod sync;
mod sync_error;
mod tree;
mod unify;
mod unlocked;
mod vendor;
mod write;

pub use build::{BuildError, BuiltPackage, build, describe};
pub use cache::{Cache, Prune, Removed};
pub use clean::{Cleaned, clean};
pub use compatibility::{Incompatibility, check_compatibility};
pub use digest::{Digest, DigestError};
pub use edit::{AddAs, EditError};
pub use graph::{Graph, MAX_PATHS, Node};
pub use guard::Guard;
pub use location::{Location, LocationError, SourceOverride, without_credentials};
pub use lock::{LOCK_FILE_NAME, Lock, LockError, LockedPackage, LockedSource};
pub use manifest::{MANIFEST_FILE_NAME, Manifest, ManifestError, Metadata, Override};
pub use names::{ItemPath, NameError, PackageId, PackageName};
pub use operations::{Item, ItemKind, items, lock_changes};
pub use project::{ProjectError, SourceReference, WitProject, WitSources};
pub use references::ReferenceKind;
pub use resolve::{Origin, Resolution, Resolved};
pub use source::{Content, Fetched, PackageSource, Published, Receipt, Release, SourceError, TextFile, Wanted};
pub use sync::{Comparison, Context, Existing, LockPolicy, Plan, PlanOptions, PlannedPackage, Unlocked, find, plan};
pub use sync_error::SyncError;
pub use tree::{TreeError, select_package};
pub use vendor::vendor;
pub use write::{Change, apply};
