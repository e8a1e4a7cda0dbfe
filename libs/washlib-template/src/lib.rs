//! Project templates: where they come from, which files they give, and how those files reach the disk.
//!
//! Three steps, each usable alone: [`Source::parse`] understands what a person typed, [`plan`] reads the template and
//! decides about every file (nothing is written to the project yet), [`write`] creates the project's folder at once or
//! not at all. Nothing of a template is ever executed here, and no program is started but `ssh` for an ssh URL.

mod builtin;
mod cargo_name;
mod folder;
mod path_rules;
mod plan;
mod plan_builder;
mod repository;
mod source;
mod write;

pub use builtin::{BuiltinTemplate, list};
pub use cargo_name::CargoNameError;
pub use plan::{Contents, Entry, EntryKind, Plan, PlanError, PlanRequest, SkipReason, Skipped, plan};
pub use source::{Source, SourceError};
pub use washlib_git::{Cause, FetchProgress, RepositoryError, RepositoryUrl, SilentProgress};
pub use write::{WriteError, check_absent, write};
