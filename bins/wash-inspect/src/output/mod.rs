//! What `-o json` returns, one type for each command. The published schemas are generated from these.
//!
//! Plain data: it depends on serde and schemars alone, because the generator of the schemas includes it. Fields are only
//! ever added.

mod check;
mod dependencies;
mod description;
mod difference;
mod graph;
mod metadata;
mod older;
mod size;

pub(crate) use check::{Advice, CheckData, Finding, HostList, KnownHost, Status};
pub(crate) use dependencies::{Dependency, DepsData, ModuleDependencies};
pub(crate) use description::{
    Description, FileKind, FunctionData, InterfaceData, InterfaceReference, ItemKind, PackageItems, PartData, PartKind,
    Problem, TypeData, WorldData, WorldItemData,
};
pub(crate) use difference::{ActionData, ChangeData, DiffData, DirectionData, ImpactData, ItemData, SubjectData};
pub(crate) use graph::{GraphData, GraphEdge, GraphNode, NodeKind};
pub(crate) use metadata::{MetadataData, Producer, WrittenData};
pub(crate) use older::{ArchiveData, ClaimsData, Signature, TargetData, Validity};
pub(crate) use size::{
    CrateSize, DataSegment, FunctionSize, PartSize, SectionSize, SizeChange, SizeData, SizeDiffData, Strippable,
};

use schemars::JsonSchema;
use serde::Serialize;

/// `wash inspect wat`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct WatData {
    /// The text format.
    pub(crate) wat: String,
}

/// `wash inspect validate`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ValidateData {
    /// What was checked.
    pub(crate) reference: String,
    /// Whether it is valid.
    pub(crate) valid: bool,
    /// What it is: `component`, also for a WIT package in binary form, or `core-module`.
    pub(crate) kind: FileKind,
    /// What is wrong, and where.
    pub(crate) problem: Option<Problem>,
}
