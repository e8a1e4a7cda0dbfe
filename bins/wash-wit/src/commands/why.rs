//! `wash wit why`.

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{Comparison, Graph, ItemPath, MAX_PATHS, PackageId, SourceReference, Unlocked};

use crate::cli::Why;
use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct WhyData {
    paths: Vec<WhyPath>,
}

/// A way from the project to the package.
#[derive(Debug, Serialize)]
struct WhyPath {
    /// The packages on the way; the one asked for is last.
    packages: Vec<String>,
    /// Where the sources name the first of them: `file:line`.
    places: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>, args: &Why) -> Result<(), CommandError> {
    let wanted: ItemPath = args.package.parse().map_err(command_error::name)?;
    let plan = session.plan_as_is(Comparison::Cached, Unlocked::Keep)?;
    let references = session.read_sources()?.references();
    let graph = Graph::of(&plan);
    let paths = graph.paths(|package| matches(package, &wanted));
    if paths.is_empty() {
        return Err(not_found(&graph, &wanted));
    }
    if paths.len() == MAX_PATHS {
        session.ui.warn(&format!("there may be more ways than these {MAX_PATHS}"));
    }
    let paths: Vec<WhyPath> = paths.into_iter().map(|path| explained(&path, &references)).collect();
    let mut lines = Vec::new();
    for path in &paths {
        for (depth, package) in path.packages.iter().enumerate() {
            let note = if depth == 0 { format!("  {}", path.places.join(", ")) } else { String::new() };
            let arrow = if depth == 0 { "" } else { "└ " };
            lines.push(format!("{}{arrow}{package}{note}", "  ".repeat(depth)).trim_end().to_owned());
        }
    }
    session.ui.result(&lines.join("\n"), &format!("Why {wanted} is there"), WhyData { paths })
}

fn explained(path: &[PackageId], references: &[SourceReference]) -> WhyPath {
    let first = path.first();
    let places = references.iter().filter(|reference| Some(&reference.package) == first);
    WhyPath {
        packages: path.iter().map(ToString::to_string).collect(),
        places: places.map(|place| format!("{}:{}", place.file, place.line)).collect(),
    }
}

/// Whether a package is the one asked for, at whatever version if none was given.
pub(super) fn matches(package: &PackageId, wanted: &ItemPath) -> bool {
    package.name == wanted.package.name
        && (wanted.package.version.is_none() || package.version == wanted.package.version)
}

pub(super) fn not_found(graph: &Graph, wanted: &ItemPath) -> CommandError {
    let names: Vec<String> = graph.nodes.keys().map(ToString::to_string).collect();
    CommandError::failure(format!("the project does not depend on `{}`", wanted.package))
        .hint(format!("it depends on {}", if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }))
}
