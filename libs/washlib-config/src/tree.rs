//! Texts of the supported formats as trees in which each key and value knows its place, for files that are no
//! configuration of wash.
//!
//! The schema of such a file is its reader's business.

pub use crate::deserialize::nearest;
pub use crate::node::{Entry, Location, Node, NodeKind, Scalar, ScalarKind, SyntaxError, parse_documents};
