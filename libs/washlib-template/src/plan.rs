//! The plan of a project: every file that a template gives, decided before anything is written.
//!
//! Reads templates; writes nothing to the project. What may become a file is decided in the path rules.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::OFlags;
use thiserror::Error;

use washlib_git::{BlobId, FetchProgress, Objects, RepositoryError, without_control_characters};

use crate::{CargoNameError, Source, builtin, folder, repository};

/// What is wanted of a template.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The name of the project to be; a built-in template takes it on.
    pub project: &'a str,
    /// The folder inside the source that is the template; empty for all of it.
    pub subfolder: &'a Path,
    /// The branch, tag or commit of a repository; its default branch when absent.
    pub git_ref: Option<&'a str>,
}

/// What is wrong with the template itself has errors of its own.
impl From<RepositoryError> for PlanError {
    fn from(err: RepositoryError) -> Self {
        match err {
            RepositoryError::Interrupted => Self::Interrupted,
            RepositoryError::NoSuchFolder { path } => Self::NoSuchSubfolder { path },
            RepositoryError::UnsafeName { name } => Self::UnsafePath { path: name },
            err => Self::Repository(err),
        }
    }
}

/// The files of a project to be.
#[derive(Debug)]
pub struct Plan {
    pub(crate) entries: Vec<Entry>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) objects: Option<Objects>,
}

/// One file, folder or link of a plan.
#[derive(Debug)]
pub struct Entry {
    /// Where it goes, relative to the project's folder.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a plan becomes.
#[derive(Debug)]
#[non_exhaustive]
pub enum EntryKind {
    /// A folder, which may stay empty.
    Folder,
    /// A regular file.
    File {
        /// Whether it can be run; no other permission of the template's is kept.
        executable: bool,
        /// Where its bytes come from.
        contents: Contents,
    },
    /// A symbolic link that stays inside the project.
    Symlink {
        /// What it points to, relative to the link's own folder.
        target: PathBuf,
    },
}

/// Where the bytes of a file come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Contents {
    /// They are here.
    Memory(Vec<u8>),
    /// A file of the template's folder.
    File(PathBuf),
    /// An object of the template's repository.
    Blob(BlobId),
}

/// Something of the template that does not become part of the project.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// Its path inside the template.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something was left out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SkipReason {
    /// A repository's own data, which could make Git run programs.
    GitData,
    /// A symbolic link that leads out of the template.
    OutsideLink {
        /// Where it leads.
        target: PathBuf,
    },
    /// A device, a FIFO or a socket.
    SpecialFile,
    /// Another repository, which would have to be fetched too.
    Submodule,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| without_control_characters(&path.to_string_lossy());
        write!(f, "`{}` is left out: ", shown(&self.path))?;
        match &self.reason {
            SkipReason::GitData => f.write_str("a repository's own data is never copied"),
            SkipReason::OutsideLink { target } => write!(f, "it links to `{}`, outside the template", shown(target)),
            SkipReason::SpecialFile => f.write_str("it is a device, a FIFO or a socket"),
            SkipReason::Submodule => f.write_str("it is a Git submodule"),
        }
    }
}

/// Why a template cannot become a project.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A path that would leave the project's folder, or is too long to exist.
    #[error("the template contains the unsafe path `{}`", without_control_characters(&path.to_string_lossy()))]
    UnsafePath {
        /// The path.
        path: PathBuf,
    },
    /// Two entries that one file would have to hold on some systems.
    #[error(
        "the template contains both `{}` and `{}`, which are one on some systems",
        without_control_characters(&first.to_string_lossy()),
        without_control_characters(&second.to_string_lossy())
    )]
    Collision {
        /// One path.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// More entries than a template can have.
    #[error("the template has more than {limit} files and folders")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// More bytes than a template can have.
    #[error("the files of the template hold more than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A template without any file.
    #[error("the template has no files")]
    Empty,
    /// A subfolder that is not a relative path without `..`.
    #[error("`{}` is not a path inside the template", path.display())]
    BadSubfolder {
        /// What was asked for.
        path: PathBuf,
    },
    /// A subfolder that the template does not have.
    #[error("the template has no folder `{}`", path.display())]
    NoSuchSubfolder {
        /// What was asked for.
        path: PathBuf,
    },
    /// A name that the project cannot have.
    #[error(transparent)]
    Name(#[from] CargoNameError),
    /// A folder that cannot be read.
    #[error("cannot read the template")]
    Walk(#[from] ignore::Error),
    /// A file that cannot be read.
    #[error("cannot read the template")]
    Read(#[from] io::Error),
    /// A repository that cannot be reached or read.
    #[error(transparent)]
    Repository(RepositoryError),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Reads the template at `source` and decides about each of its files. Returns early when `interrupted` becomes true.
///
/// # Errors
///
/// When the template cannot be reached or read, or contains what no project should.
pub fn plan(
    source: &Source,
    request: PlanRequest<'_>,
    progress: &dyn FetchProgress,
    interrupted: &AtomicBool,
) -> Result<Plan, PlanError> {
    let subfolder = checked_subfolder(request.subfolder)?;
    match source {
        Source::Builtin(name) => builtin::plan(name, request.project, &subfolder),
        Source::Folder(path) => folder::plan(path, &subfolder, interrupted),
        Source::LocalRepository(path) => {
            progress.message("Reading the template");
            let objects = washlib_git::open_local(path, request.git_ref)?;
            repository::plan(objects, &subfolder, interrupted)
        }
        Source::RemoteRepository(url) => {
            let objects = washlib_git::fetch(url, request.git_ref, progress, interrupted)?;
            progress.message("Reading the template");
            repository::plan(objects, &subfolder, interrupted)
        }
    }
    .map_err(|err| match err {
        PlanError::Empty if !subfolder.as_os_str().is_empty() => PlanError::NoSuchSubfolder { path: subfolder },
        err => err,
    })
}

fn checked_subfolder(path: &Path) -> Result<PathBuf, PlanError> {
    use std::path::Component;
    let mut subfolder = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => subfolder.push(name),
            Component::CurDir => {}
            _ => return Err(PlanError::BadSubfolder { path: path.to_owned() }),
        }
    }
    Ok(subfolder)
}

impl Plan {
    /// Everything the project will consist of, by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What of the template is left out, by path.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The bytes of a file of this plan.
    ///
    /// # Errors
    ///
    /// When the template's file or object can no longer be read, or has grown past the limit since it was planned.
    pub fn read<'a>(&self, contents: &'a Contents) -> io::Result<Cow<'a, [u8]>> {
        match contents {
            Contents::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Contents::File(path) => read_regular_file(path).map(Cow::Owned),
            Contents::Blob(id) => match &self.objects {
                Some(objects) => objects.read_blob(*id).map(Cow::Owned).map_err(io::Error::other),
                None => Err(io::Error::other("the plan has no repository")),
            },
        }
    }
}

/// Reads what was a regular file when it was planned, and nothing else that may have taken its place.
fn read_regular_file(path: &Path) -> io::Result<Vec<u8>> {
    let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    // Neither follow a link nor wait for the other end of a FIFO.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).map_err(named)?;
    if !file.metadata().map_err(named)?.is_file() {
        return Err(named(io::Error::other("no longer a regular file")));
    }
    let mut bytes = Vec::new();
    let limit = crate::plan_builder::MAX_BYTES;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(named)?;
    if bytes.len() as u64 > limit { Err(named(io::Error::other("the file has grown too large"))) } else { Ok(bytes) }
}
