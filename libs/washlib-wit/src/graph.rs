//! Which package needs which: for showing as a tree, and for saying why one is there.
//!
//! Computed from a plan; draws nothing.

use std::collections::BTreeMap;

use crate::sync::Plan;
use crate::{Origin, PackageId};

/// The packages of a project and what they refer to.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// What the project's own sources refer to.
    pub direct: Vec<PackageId>,
    /// Every package that is used.
    pub nodes: BTreeMap<PackageId, Node>,
}

/// A package of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it refers to.
    pub references: Vec<PackageId>,
    /// Where it comes from; `None` when it came inside of a package that needs it.
    pub origin: Option<Origin>,
}

impl Graph {
    /// The graph of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut graph = Self::default();
        for planned in &plan.packages {
            let resolved = plan.resolution.packages.get(&planned.package);
            let origin = resolved.map(|resolved| resolved.origin.clone());
            graph.nodes.insert(planned.package.clone(), Node { references: planned.references.clone(), origin });
        }
        for (package, resolved) in &plan.resolution.packages {
            if resolved.is_direct {
                graph.direct.push(package.clone());
            }
        }
        // What lies in `wit/deps` without being used is no part of it.
        let mut used = Vec::new();
        let mut open = graph.direct.clone();
        while let Some(package) = open.pop() {
            if !used.contains(&package) {
                let references = graph.nodes.get(&package).map(|node| node.references.clone());
                open.extend(references.unwrap_or_default());
                used.push(package);
            }
        }
        graph.nodes.retain(|package, _| used.contains(package));
        graph
    }

    /// The packages that refer to `package`.
    pub fn users(&self, package: &PackageId) -> Vec<&PackageId> {
        self.nodes.iter().filter(|(_, node)| node.references.contains(package)).map(|(user, _)| user).collect()
    }

    /// A shortest way from the project to each package that `wanted` accepts: the packages on it, the wanted one last.
    pub fn paths(&self, wanted: impl Fn(&PackageId) -> bool) -> Vec<Vec<PackageId>> {
        let mut paths = Vec::new();
        let mut seen = Vec::new();
        let mut open: std::collections::VecDeque<Vec<PackageId>> =
            self.direct.iter().map(|id| vec![id.clone()]).collect();
        while let Some(path) = open.pop_front() {
            let Some(last) = path.last().cloned() else { continue };
            if seen.contains(&last) {
                continue;
            }
            seen.push(last.clone());
            for next in self.nodes.get(&last).map(|node| node.references.as_slice()).unwrap_or_default() {
                let mut longer = path.clone();
                longer.push(next.clone());
                open.push_back(longer);
            }
            if wanted(&last) {
                paths.push(path);
            }
        }
        paths
    }
}
