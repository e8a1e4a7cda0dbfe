//! `wash wit tree`.

use std::collections::BTreeSet;

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{Comparison, Graph, ItemPath, PackageId, Unlocked};

use crate::cli::Tree;
use crate::command_error;
use crate::report::OriginData;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct TreeData {
    /// What the project's sources refer to.
    direct: Vec<String>,
    packages: Vec<TreePackage>,
}

#[derive(Debug, Serialize)]
struct TreePackage {
    package: String,
    #[serde(flatten)]
    origin: OriginData,
    references: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>, args: &Tree) -> Result<(), CommandError> {
    let wanted: Option<ItemPath> = args.invert.as_deref().map(str::parse).transpose().map_err(command_error::name)?;
    let plan = session.plan_as_is(Comparison::Cached, Unlocked::Keep)?;
    let graph = Graph::of(&plan);
    let text = match &wanted {
        None => down(session, &graph, &plan.own_package()),
        Some(wanted) => up(session, &graph, &plan.own_package(), wanted)?,
    };
    let texts = |packages: &[PackageId]| packages.iter().map(ToString::to_string).collect();
    let data = TreeData {
        direct: texts(&graph.direct),
        packages: graph
            .nodes
            .iter()
            .map(|(package, node)| TreePackage {
                package: package.to_string(),
                origin: OriginData::of(node.origin.as_ref()),
                references: texts(&node.references),
            })
            .collect(),
    };
    session.ui.result(&text, "The packages and what they refer to", data)
}

/// Draws branches below a line.
struct Drawing<'a> {
    lines: Vec<String>,
    seen: BTreeSet<PackageId>,
    label: &'a dyn Fn(&PackageId) -> String,
    below: &'a dyn Fn(&PackageId) -> Vec<PackageId>,
}

impl Drawing<'_> {
    fn draw(&mut self, packages: &[PackageId], indent: &str) {
        for (index, package) in packages.iter().enumerate() {
            let is_last = index + 1 == packages.len();
            let branch = if is_last { "└── " } else { "├── " };
            let below = (self.below)(package);
            let is_repeated = !self.seen.insert(package.clone()) && !below.is_empty();
            let mark = if is_repeated { " (see above)" } else { "" };
            self.lines.push(format!("{indent}{branch}{}{mark}", (self.label)(package)));
            if !is_repeated {
                self.draw(&below, &format!("{indent}{}", if is_last { "    " } else { "│   " }));
            }
        }
    }
}

fn down(session: &Session<'_>, graph: &Graph, own: &str) -> String {
    let label = |package: &PackageId| {
        let origin = OriginData::of(graph.nodes.get(package).and_then(|node| node.origin.as_ref()));
        format!("{package} ({})", origin.text(&session.wit_dir))
    };
    let below = |package: &PackageId| graph.nodes.get(package).map(|node| node.references.clone()).unwrap_or_default();
    let mut drawing = Drawing { lines: vec![own.to_owned()], seen: BTreeSet::new(), label: &label, below: &below };
    drawing.draw(&graph.direct, "");
    drawing.lines.join("\n")
}

fn up(session: &Session<'_>, graph: &Graph, own: &str, wanted: &ItemPath) -> Result<String, CommandError> {
    let matches = |package: &&PackageId| super::why::matches(package, wanted);
    let roots: Vec<&PackageId> = graph.nodes.keys().filter(matches).collect();
    if roots.is_empty() {
        return Err(super::why::not_found(graph, wanted));
    }
    let label = |package: &PackageId| {
        let direct = if graph.direct.contains(package) { format!(", named by {own}") } else { String::new() };
        format!("{package}{direct}")
    };
    let below = |package: &PackageId| graph.users(package).into_iter().cloned().collect();
    let mut lines = Vec::new();
    for root in roots {
        let origin = OriginData::of(graph.nodes.get(root).and_then(|node| node.origin.as_ref()));
        let first = format!("{} ({})", label(root), origin.text(&session.wit_dir));
        let mut drawing = Drawing { lines: vec![first], seen: BTreeSet::new(), label: &label, below: &below };
        let users: Vec<PackageId> = below(root);
        drawing.draw(&users, "");
        lines.extend(drawing.lines);
    }
    Ok(lines.join("\n"))
}
