//! Reads files out of a Git repository's objects.
//!
//! How objects get here from elsewhere is the business of the fetch.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::objs::tree::EntryKind;
use tempfile::TempDir;

use crate::cause::Cause;
use crate::error::{RepositoryError, no_such_reference};

/// A file's or link's object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlobId(gix::ObjectId);

/// Something in a commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TreeEntry {
    /// Its path, relative to the folder that was asked for.
    pub path: PathBuf,
    /// What it is.
    pub kind: TreeEntryKind,
}

/// What something in a commit is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TreeEntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Its bytes.
        id: BlobId,
        /// Whether it can be run.
        executable: bool,
    },
    /// A symbolic link; the object holds its target.
    Link(BlobId),
    /// Another repository.
    Submodule,
}

/// The objects of one commit, and the folder they are in as long as that is temporary.
pub struct Objects {
    repository: gix::Repository,
    commit: gix::ObjectId,
    // Dropped last, because the repository reads from it.
    _fetched: Option<TempDir>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.commit)
    }
}

impl Objects {
    pub(crate) fn new(repository: gix::Repository, commit: gix::ObjectId, fetched: Option<TempDir>) -> Self {
        Self { repository, commit, _fetched: fetched }
    }

    /// The commit, in hexadecimal digits.
    pub fn commit(&self) -> String {
        self.commit.to_string()
    }

    /// The bytes of a file or the target of a link.
    ///
    /// # Errors
    ///
    /// When the object is missing or broken.
    pub fn read_blob(&self, id: BlobId) -> Result<Vec<u8>, Cause> {
        let blob = self.repository.find_object(id.0).map_err(|err| Cause::of_gix(&err, None))?;
        Ok(blob.detach().data)
    }

    /// The size of a file in bytes.
    ///
    /// # Errors
    ///
    /// When the object is missing or broken.
    pub fn size(&self, id: BlobId) -> Result<u64, RepositoryError> {
        Ok(self.repository.find_header(id.0).map_err(unreadable)?.size())
    }

    /// Visits everything below `subfolder`, folders before what is in them. A folder for which `visit` answers false is
    /// not entered.
    ///
    /// # Errors
    ///
    /// When an object is missing or broken, there is no such folder, or `visit` says so.
    pub fn walk<E: From<RepositoryError>>(
        &self,
        subfolder: &Path,
        mut visit: impl FnMut(TreeEntry) -> Result<bool, E>,
    ) -> Result<(), E> {
        let root = self.tree(subfolder)?;
        let mut pending = vec![(PathBuf::new(), root)];
        while let Some((folder, id)) = pending.pop() {
            let tree = self.repository.find_tree(id).map_err(unreadable)?;
            for entry in tree.iter() {
                let entry = entry.map_err(unreadable)?;
                let name = OsStr::from_bytes(entry.filename());
                // Joining would let an absolute name, which only a hostile tree has, replace the folder.
                if entry.filename().contains(&b'/') {
                    return Err(RepositoryError::UnsafeName { name: name.into() }.into());
                }
                let path = folder.join(name);
                let id = entry.object_id();
                let kind = match entry.mode().kind() {
                    EntryKind::Tree => TreeEntryKind::Folder,
                    EntryKind::Commit => TreeEntryKind::Submodule,
                    EntryKind::Link => TreeEntryKind::Link(BlobId(id)),
                    EntryKind::Blob => TreeEntryKind::File { id: BlobId(id), executable: false },
                    EntryKind::BlobExecutable => TreeEntryKind::File { id: BlobId(id), executable: true },
                };
                let is_folder = kind == TreeEntryKind::Folder;
                if visit(TreeEntry { path: path.clone(), kind })? && is_folder {
                    pending.push((path, id));
                }
            }
        }
        Ok(())
    }

    /// The tree at `subfolder` of the commit, or of the tag or tree that someone named instead of one.
    fn tree(&self, subfolder: &Path) -> Result<gix::ObjectId, RepositoryError> {
        let object = self.repository.find_object(self.commit).map_err(unreadable)?;
        let root = object.peel_to_tree().map_err(unreadable)?;
        if subfolder.as_os_str().is_empty() {
            return Ok(root.id);
        }
        let no_such = || RepositoryError::NoSuchFolder { path: subfolder.to_owned() };
        let entry = root.lookup_entry_by_path(subfolder).map_err(unreadable)?.ok_or_else(no_such)?;
        if entry.mode().is_tree() { Ok(entry.object_id()) } else { Err(no_such()) }
    }
}

/// Options that keep a repository to itself: neither the user's configuration nor the environment counts, and no object
/// may claim more memory than a whole repository may have.
pub(crate) fn isolated() -> gix::open::Options {
    let limit = format!("gitoxide.objects.allocLimit={}", crate::MAX_BYTES);
    gix::open::Options::isolated().config_overrides([limit])
}

/// Opens a repository on this machine at `git_ref`, or at its current branch.
///
/// # Errors
///
/// When it cannot be opened or has no such reference.
pub fn open_local(path: &Path, git_ref: Option<&str>) -> Result<Objects, RepositoryError> {
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
    Ok(Objects::new(repository, commit, None))
}

/// The object that `git_ref` names: a branch, a tag, a commit in full or abbreviated, or any other revision that Git
/// knows how to write.
pub(crate) fn resolve(repository: &gix::Repository, git_ref: &str) -> Option<gix::ObjectId> {
    Some(repository.rev_parse_single(git_ref).ok()?.detach())
}

fn reference_names(repository: &gix::Repository) -> Vec<String> {
    let Ok(references) = repository.references() else { return Vec::new() };
    let branches = references.local_branches().into_iter().flatten();
    let tags = references.tags().into_iter().flatten();
    branches.chain(tags).flatten().map(|reference| reference.name().shorten().to_string()).collect()
}

// By value, because that is what `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
fn unreadable(err: gix::Error) -> RepositoryError {
    RepositoryError::Objects(Cause::of_gix(&err, None))
}
