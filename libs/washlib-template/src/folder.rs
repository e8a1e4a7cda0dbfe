//! Plans a project from a folder on disk.
//!
//! Honours the `.gitignore` files inside the folder and none outside it, follows no links, and reads no file's contents
//! yet.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use ignore::WalkBuilder;

use crate::path_rules::is_git_data;
use crate::plan::{Contents, Plan, PlanError, SkipReason};
use crate::plan_builder::PlanBuilder;

/// Plans the files below `subfolder` of the folder `root`.
pub(crate) fn plan(root: &Path, subfolder: &Path, interrupted: &AtomicBool) -> Result<Plan, PlanError> {
    let root = fs_err::canonicalize(root)?;
    let template = template_folder(&root, subfolder)?;
    let mut builder = PlanBuilder::default();
    let (git_data, found_git_data) = mpsc::channel();
    for entry in walk(&root, &template, git_data).build() {
        if interrupted.load(Ordering::Relaxed) {
            return Err(PlanError::Interrupted);
        }
        let entry = entry?;
        let relative = match entry.path().strip_prefix(&template) {
            Ok(relative) if !relative.as_os_str().is_empty() => relative,
            // The template itself, and the folders on the way to it.
            _ => continue,
        };
        if builder.visit(relative)? {
            add(&mut builder, &entry, relative)?;
        }
    }
    for path in found_git_data.try_iter() {
        builder.skip(path.strip_prefix(&template).unwrap_or(&path), SkipReason::GitData);
    }
    builder.finish(None)
}

fn template_folder(root: &Path, subfolder: &Path) -> Result<PathBuf, PlanError> {
    let no_such = || PlanError::NoSuchSubfolder { path: subfolder.to_owned() };
    let template = root.join(subfolder);
    let real = template.canonicalize().map_err(|_| no_such())?;
    // A link on the way would lead the walk, which follows none, to nothing.
    if real == template && real.is_dir() { Ok(template) } else { Err(no_such()) }
}

/// A walk from `root`, because the `.gitignore` files above the template count too, which visits only the template.
fn walk(root: &Path, template: &Path, git_data: mpsc::Sender<PathBuf>) -> WalkBuilder {
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false).git_ignore(true).require_git(false).follow_links(false);
    let template = template.to_owned();
    walk.filter_entry(move |entry| {
        let path = entry.path();
        let inside = path.starts_with(&template);
        // The root's own name does not matter: a person may name a `.git` folder, and gets what is in it.
        if entry.depth() > 0 && is_git_data(entry.file_name()) {
            if inside {
                // The receiver lives as long as the walk.
                let _ = git_data.send(path.to_owned());
            }
            return false;
        }
        inside || template.starts_with(path)
    });
    walk
}

fn add(builder: &mut PlanBuilder, entry: &ignore::DirEntry, relative: &Path) -> Result<(), PlanError> {
    let path = entry.path();
    let metadata = fs_err::symlink_metadata(path)?;
    if metadata.is_dir() {
        builder.folder(relative);
    } else if metadata.is_symlink() {
        builder.symlink(relative, fs_err::read_link(path)?);
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        builder.file(relative, executable, metadata.len(), Contents::File(path.to_owned()))?;
    } else {
        builder.skip(relative, SkipReason::SpecialFile);
    }
    Ok(())
}
