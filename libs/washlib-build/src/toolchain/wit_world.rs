//! The world that a project's own `wit` folder defines.
//!
//! Reads the project's package alone, without its dependencies: a name is all that is wanted.

use std::path::Path;

use wit_parser::{AstItem, UnresolvedPackageGroup};

use crate::BuildError;

/// The name of the only world in `wit/`, or `None` without such a folder.
pub(super) fn find(root: &Path) -> Result<Option<String>, BuildError> {
    let folder = root.join("wit");
    if !folder.is_dir() {
        return Ok(None);
    }
    let unbuildable = |problem: String, advice: Option<&str>| BuildError::Unbuildable {
        problem,
        file: folder.clone(),
        advice: advice.map(str::to_owned),
    };
    let group = UnresolvedPackageGroup::parse_dir(&folder).map_err(|err| unbuildable(format!("{err:#}"), None))?;
    // Worlds of other packages that this one includes stand among its own, as placeholders.
    let items = group.main.foreign_deps.values().flat_map(|items| items.values());
    let foreign: Vec<_> = items
        .filter_map(|(item, _)| match item {
            AstItem::World(id) => Some(*id),
            AstItem::Interface(_) => None,
        })
        .collect();
    let own = group.main.worlds.iter().filter(|(id, _)| !foreign.contains(id));
    let mut names: Vec<_> = own.map(|(_, world)| world.name.clone()).collect();
    match (names.len(), names.pop()) {
        (1, Some(name)) => Ok(Some(name)),
        (0, _) => Err(unbuildable("the WIT package defines no world".to_owned(), None)),
        _ => {
            let advice = "set `build.command` in .wash/config.yaml";
            Err(unbuildable("the WIT package defines several worlds".to_owned(), Some(advice)))
        }
    }
}
