//! `wash inspect graph`: which instances a component consists of.

use schemars::JsonSchema;
use serde::Serialize;

/// Instances, and what satisfies what.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub(crate) struct GraphData {
    /// Imports, instances and exports.
    pub(crate) nodes: Vec<GraphNode>,
    /// From what provides to what uses.
    pub(crate) edges: Vec<GraphEdge>,
}

/// A node.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GraphNode {
    /// Its name in `edges`.
    pub(crate) id: String,
    /// What a person calls it.
    pub(crate) label: String,
    /// What it is.
    pub(crate) kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeKind {
    /// What the component imports.
    Import,
    /// An instance of a component.
    Component,
    /// An instance of a core module.
    CoreModule,
    /// What the component exports.
    Export,
}

/// An edge.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub(crate) struct GraphEdge {
    /// Who provides.
    pub(crate) from: String,
    /// Who uses.
    pub(crate) to: String,
    /// As what.
    pub(crate) label: String,
}
