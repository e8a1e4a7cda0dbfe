//! Which package needs which: for showing as a tree, and for saying why one is there.
//!
//! Computed from a plan; draws nothing.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::sync::Plan;
use crate::{Origin, PackageId};

/// How many ways to a package are told. Layers of packages can make more of them than anybody reads.
pub const MAX_PATHS: usize = 100;

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

    /// The ways from the project to the packages that `wanted` accepts, the shortest first, at most [`MAX_PATHS`] of them:
    /// the packages on each, the wanted one last.
    pub fn paths<'a>(&'a self, wanted: impl Fn(&PackageId) -> bool) -> Vec<Vec<PackageId>> {
        let distances = self.distances(&wanted);
        // A way's length, with what is still to go at least. Of equals the one that has come furthest goes on, so that
        // the search ends as soon as there are enough.
        let entry = |path: Vec<&'a PackageId>| {
            let left = distances.get(path.last()?)?;
            Some((Reverse(path.len() + left), path.len(), Reverse(path)))
        };
        let mut open: BinaryHeap<_> = self.direct.iter().filter_map(|package| entry(vec![package])).collect();
        let mut paths = Vec::new();
        while let Some((_, _, Reverse(path))) = open.pop() {
            let Some(last) = path.last().copied() else { continue };
            if wanted(last) {
                paths.push(path.into_iter().cloned().collect());
                if paths.len() == MAX_PATHS {
                    break;
                }
                continue;
            }
            let references = self.nodes.get(last).map(|node| node.references.as_slice()).unwrap_or_default();
            // A cycle leads nowhere new.
            let next = references.iter().filter(|next| !path.contains(next));
            open.extend(next.filter_map(|next| entry(path.iter().copied().chain([next]).collect())));
        }
        paths
    }

    /// How many steps it is at least from each package to one that is wanted.
    fn distances(&self, wanted: impl Fn(&PackageId) -> bool) -> BTreeMap<&PackageId, usize> {
        let mut distances: BTreeMap<&PackageId, usize> =
            self.nodes.keys().filter(|package| wanted(package)).map(|package| (package, 0)).collect();
        let mut open: VecDeque<&PackageId> = distances.keys().copied().collect();
        while let Some(package) = open.pop_front() {
            let distance = distances.get(package).copied().unwrap_or_default();
            for user in self.users(package) {
                if let Entry::Vacant(vacant) = distances.entry(user) {
                    vacant.insert(distance + 1);
                    open.push_back(user);
                }
            }
        }
        distances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(direct: &[&str], references: &[(&str, &[&str])]) -> Graph {
        let id = |text: &&str| text.parse::<PackageId>().unwrap();
        let node = |(package, references): &(&str, &[&str])| {
            (id(package), Node { references: references.iter().map(id).collect(), origin: None })
        };
        Graph { direct: direct.iter().map(id).collect(), nodes: references.iter().map(node).collect() }
    }

    fn ways(graph: &Graph, wanted: &str) -> Vec<String> {
        let wanted: PackageId = wanted.parse().unwrap();
        let paths = graph.paths(|package| *package == wanted);
        let names = |path: Vec<PackageId>| path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        paths.into_iter().map(names).collect()
    }

    #[test]
    fn every_way_is_found_the_shortest_first() {
        let graph = graph(
            &["a:a", "a:b", "a:io"],
            &[("a:a", &["a:c", "a:io"]), ("a:b", &["a:c"]), ("a:c", &["a:io"]), ("a:io", &[]), ("a:x", &["a:io"])],
        );
        assert_eq!(ways(&graph, "a:io"), ["a:io", "a:a a:io", "a:a a:c a:io", "a:b a:c a:io"]);
        assert_eq!(ways(&graph, "a:c"), ["a:a a:c", "a:b a:c"]);
        assert_eq!(ways(&graph, "a:none"), Vec::<String>::new());
    }

    #[test]
    fn there_is_an_end_to_ways() {
        // Twenty layers of two packages each: a million ways.
        let layer = |layer: usize, side: &str| format!("a:l{layer}{side}");
        let mut nodes = BTreeMap::new();
        for number in 0..20 {
            for side in ["a", "b"] {
                let next = ["a", "b"].map(|side| layer(number + 1, side).parse::<PackageId>().unwrap());
                let node = Node { references: next.to_vec(), origin: None };
                nodes.insert(layer(number, side).parse::<PackageId>().unwrap(), node);
            }
        }
        let last: PackageId = layer(20, "a").parse().unwrap();
        nodes.insert(last.clone(), Node { references: Vec::new(), origin: None });
        let graph = Graph { direct: vec![layer(0, "a").parse().unwrap()], nodes };
        assert_eq!(graph.paths(|package| *package == last).len(), MAX_PATHS);
    }
}
