//! Reads a template out of a Git repository's objects.
//!
//! No worktree is checked out, no hook, filter or other program runs, and no configuration but the repository's own is
//! read. How objects get here from elsewhere is the business of the fetch.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gix::objs::tree::EntryKind;
use tempfile::TempDir;
use thiserror::Error;

use crate::cause::Cause;
use crate::plan::{Contents, Plan, PlanError, SkipReason};
use crate::plan_builder::PlanBuilder;

/// How many existing references an error names.
const MAX_SUGGESTED_REFERENCES: usize = 10;

/// Why a repository gives no template.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A local folder that Git's objects cannot be read from.
    #[error("cannot open the repository `{}`", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
    /// The server says that there is no such repository.
    #[error("there is no repository at `{url}`")]
    NotFound {
        /// The URL, without credentials.
        url: String,
    },
    /// The server wants to know who asks. Popular servers say so of repositories that do not exist, too.
    #[error("the repository `{url}` does not exist, or needs a login")]
    AccessDenied {
        /// The URL, without credentials.
        url: String,
    },
    /// The repository could not be fetched.
    #[error("cannot fetch `{url}`")]
    Fetch {
        /// The URL, without credentials.
        url: String,
        /// Why not.
        source: Cause,
    },
    /// A server that does not stop sending.
    #[error("`{url}` sends more than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The URL, without credentials.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// No branch, tag or commit has the name asked for.
    #[error("`{repository}` has no branch, tag or commit `{git_ref}`")]
    NoSuchReference {
        /// The repository.
        repository: String,
        /// The name asked for.
        git_ref: String,
        /// Branches and tags that exist, the most similar first; at most 10.
        existing: Vec<String>,
    },
    /// A repository without any commit.
    #[error("the repository `{repository}` has no commits yet")]
    NoCommits {
        /// The repository.
        repository: String,
    },
    /// An object that is missing or broken.
    #[error("cannot read the template's objects")]
    Objects(#[source] Cause),
    /// The temporary folder for a fetch cannot be used.
    #[error("cannot create a temporary folder")]
    TemporaryFolder(#[source] std::io::Error),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// The objects of one commit, and the folder they are in as long as that is temporary.
pub(crate) struct TemplateObjects {
    repository: gix::Repository,
    commit: gix::ObjectId,
    // Dropped last, because the repository reads from it.
    _fetched: Option<TempDir>,
}

impl fmt::Debug for TemplateObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateObjects({})", self.commit)
    }
}

impl TemplateObjects {
    pub(crate) fn new(repository: gix::Repository, commit: gix::ObjectId, fetched: Option<TempDir>) -> Self {
        Self { repository, commit, _fetched: fetched }
    }

    /// The bytes of a file.
    pub(crate) fn read_blob(&self, id: gix::ObjectId) -> Result<Vec<u8>, Cause> {
        let blob = self.repository.find_object(id).map_err(|err| Cause::of_gix(&err, None))?;
        Ok(blob.detach().data)
    }
}

/// Options that keep a repository to itself: neither the user's configuration nor the environment counts, and no object
/// may claim more memory than a whole template may have.
pub(crate) fn isolated() -> gix::open::Options {
    let limit = format!("gitoxide.objects.allocLimit={}", crate::plan_builder::MAX_BYTES);
    gix::open::Options::isolated().config_overrides([limit])
}

/// Opens a repository on this machine at `git_ref`, or at its current branch.
pub(crate) fn open_local(path: &Path, git_ref: Option<&str>) -> Result<TemplateObjects, RepositoryError> {
    let opened = gix::open_opts(path, isolated());
    let repository =
        opened.map_err(|err| RepositoryError::Open { path: path.to_owned(), source: Cause::of_gix(&err, None) })?;
    let shown = path.display().to_string();
    let commit = match git_ref {
        Some(git_ref) => resolve(&repository, git_ref).ok_or_else(|| {
            let names = reference_names(&repository);
            no_such_reference(shown, git_ref, names)
        })?,
        None => repository.head_id().map_err(|_| RepositoryError::NoCommits { repository: shown })?.detach(),
    };
    Ok(TemplateObjects::new(repository, commit, None))
}

/// The object that `git_ref` names: a branch, a tag, a commit in full or abbreviated, or any other revision that Git
/// knows how to write.
pub(crate) fn resolve(repository: &gix::Repository, git_ref: &str) -> Option<gix::ObjectId> {
    Some(repository.rev_parse_single(git_ref).ok()?.detach())
}

/// The error about a reference that does not exist, with those of `existing` that resemble it most.
pub(crate) fn no_such_reference(repository: String, git_ref: &str, mut existing: Vec<String>) -> RepositoryError {
    existing.retain(|name| !name.chars().any(char::is_control));
    let distance = |name: &String| strsim::damerau_levenshtein(git_ref, name);
    existing.sort_by_cached_key(|name| (distance(name), name.clone()));
    existing.dedup();
    existing.truncate(MAX_SUGGESTED_REFERENCES);
    RepositoryError::NoSuchReference { repository, git_ref: git_ref.to_owned(), existing }
}

fn reference_names(repository: &gix::Repository) -> Vec<String> {
    let Ok(references) = repository.references() else { return Vec::new() };
    let branches = references.local_branches().into_iter().flatten();
    let tags = references.tags().into_iter().flatten();
    branches.chain(tags).flatten().map(|reference| reference.name().shorten().to_string()).collect()
}

/// Plans the files below `subfolder` of a commit.
pub(crate) fn plan(objects: TemplateObjects, subfolder: &Path, interrupted: &AtomicBool) -> Result<Plan, PlanError> {
    let mut builder = PlanBuilder::default();
    add_tree(&mut builder, &objects, subfolder, interrupted)?;
    builder.finish(Some(objects))
}

fn add_tree(
    builder: &mut PlanBuilder,
    objects: &TemplateObjects,
    subfolder: &Path,
    interrupted: &AtomicBool,
) -> Result<(), PlanError> {
    let repository = &objects.repository;
    let root = template_tree(objects, subfolder)?;
    let mut pending = vec![(PathBuf::new(), root)];
    while let Some((folder, id)) = pending.pop() {
        let tree = repository.find_tree(id).map_err(unreadable)?;
        for entry in tree.iter() {
            if interrupted.load(Ordering::Relaxed) {
                return Err(PlanError::Interrupted);
            }
            let entry = entry.map_err(unreadable)?;
            let name = OsStr::from_bytes(entry.filename());
            // Joining would let an absolute name, which only a hostile tree has, replace the folder.
            if entry.filename().contains(&b'/') {
                return Err(PlanError::UnsafePath { path: name.into() });
            }
            let path = folder.join(name);
            if !builder.visit(&path)? {
                continue;
            }
            let id = entry.object_id();
            match entry.mode().kind() {
                EntryKind::Tree => pending.push((path, id)),
                EntryKind::Commit => builder.skip(&path, SkipReason::Submodule),
                EntryKind::Link => {
                    let target = objects.read_blob(id).map_err(RepositoryError::Objects)?;
                    builder.symlink(&path, OsStr::from_bytes(&target).into());
                }
                kind @ (EntryKind::Blob | EntryKind::BlobExecutable) => {
                    let size = repository.find_header(id).map_err(unreadable)?.size();
                    builder.file(&path, kind == EntryKind::BlobExecutable, size, Contents::Blob(id))?;
                }
            }
        }
    }
    Ok(())
}

/// The tree at `subfolder` of the commit, or of the tag or tree that someone named instead of one.
fn template_tree(objects: &TemplateObjects, subfolder: &Path) -> Result<gix::ObjectId, PlanError> {
    let object = objects.repository.find_object(objects.commit).map_err(unreadable)?;
    let root = object.peel_to_tree().map_err(unreadable)?;
    if subfolder.as_os_str().is_empty() {
        return Ok(root.id);
    }
    let no_such = || PlanError::NoSuchSubfolder { path: subfolder.to_owned() };
    let entry = root.lookup_entry_by_path(subfolder).map_err(unreadable)?.ok_or_else(no_such)?;
    if entry.mode().is_tree() { Ok(entry.object_id()) } else { Err(no_such()) }
}

// By value, because that is what `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
fn unreadable(err: gix::Error) -> RepositoryError {
    RepositoryError::Objects(Cause::of_gix(&err, None))
}
