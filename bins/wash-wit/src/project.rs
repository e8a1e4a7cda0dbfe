//! Which project a folder belongs to.
//!
//! Looks at names only; a project's files are read by others.

use std::path::Path;

use washlib_config::{DiscoverError, Project};
use washlib_wit::{LOCK_FILE_NAME, MANIFEST_FILE_NAME, WitProject};

/// The nearest folder from `start` upwards that is a project by any sign: wash's configuration, WIT sources in their
/// usual place, wkg's files, or a toolchain's manifest. A package of interfaces alone has no toolchain, and what lies
/// further up is no concern of it.
///
/// A manifest alone counts as it does for every other tool: a project with configuration above it comes first, so that
/// the crates of a workspace belong to the project that the workspace is.
pub(crate) fn find(start: &Path) -> Result<Project, DiscoverError> {
    for folder in start.ancestors() {
        let project = Project::open(folder)?;
        if project.config_file().is_some() || has_wit(folder) {
            return Ok(project);
        }
        if project.manifest().is_some() {
            return Project::discover(folder);
        }
    }
    Err(DiscoverError::NotFound { start: start.to_owned() })
}

fn has_wit(folder: &Path) -> bool {
    let has_wkg_files = [MANIFEST_FILE_NAME, LOCK_FILE_NAME].iter().any(|name| folder.join(name).is_file());
    has_wkg_files || WitProject::new(folder, Path::new("wit")).has_sources()
}
