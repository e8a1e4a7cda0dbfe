//! Copies the releases that a project uses into a folder in wasm-pkg's layout of a local registry.
//!
//! Files that are there already and right stay as they are; others of the folder are none of its business.

use std::io::Write as _;
use std::path::Path;

use crate::resolve::Origin;
use crate::source::Content;
use crate::sync::{Context, Plan};
use crate::sync_error::SyncError;
use crate::{Digest, render};

/// Writes every release of the plan below `folder`, and returns their names.
///
/// # Errors
///
/// When a release cannot be had or written.
pub fn vendor(context: &Context<'_>, plan: &Plan, folder: &Path) -> Result<Vec<String>, SyncError> {
    let mut resolution = plan.resolution.clone();
    render::load_contents(context, &mut resolution)?;
    let mut written = Vec::new();
    for (package, resolved) in &resolution.packages {
        let (
            Origin::Registry { version, digest, .. } | Origin::Folder { version, digest, .. },
            Some(Content::Binary(bytes)),
        ) = (&resolved.origin, &resolved.content)
        else {
            continue;
        };
        context.check_interrupt()?;
        let path = folder.join(package.name.namespace()).join(package.name.name()).join(format!("{version}.wasm"));
        let is_there = std::fs::read(&path).is_ok_and(|there| Digest::of(&there) == *digest);
        if !is_there {
            write(&path, bytes).map_err(|source| SyncError::Write { path: path.clone(), source })?;
        }
        written.push(format!("{}@{version}", package.name));
    }
    Ok(written)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let permissions = std::fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|err| err.error)
}
