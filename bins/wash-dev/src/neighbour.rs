//! Other development servers on the same project: that they are there, and that builds come one after the other.
//!
//! What two programs share stands in a folder of its user for temporary files, never in the project. Where there is no
//! such folder, there are no neighbours.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use washlib_build::CancelToken;

/// How often to ask whether a neighbour has finished its build.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// The longest note that is read, in bytes.
const LONGEST_NOTE: u64 = 512;

/// This program's place among those that work on a project. Dropped, it is free again.
pub(crate) struct Presence {
    /// Held locked by the first one.
    _note: Option<File>,
    neighbour: Option<String>,
    builds: Option<PathBuf>,
}

/// Leave to build. Dropped, it is given back.
pub(crate) struct BuildTurn {
    _locked: Option<File>,
}

impl Presence {
    /// Notes that this program serves a project, and finds out whether another one does.
    pub(crate) fn announce(root: &Path, url: &str) -> Self {
        let Some(folder) = own_folder() else { return Self { _note: None, neighbour: None, builds: None } };
        let mut hasher = DefaultHasher::new();
        root.hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let builds = Some(folder.join(format!("{name}.build")));
        let Some(mut note) = open(&folder.join(format!("{name}.dev"))) else {
            return Self { _note: None, neighbour: None, builds };
        };
        if note.try_lock().is_ok() {
            let text = format!("another `wash dev` (process {}, {url})", std::process::id());
            // Without the note a neighbour only knows less about us.
            _ = note.set_len(0).and_then(|()| note.rewind()).and_then(|()| note.write_all(text.as_bytes()));
            return Self { _note: Some(note), neighbour: None, builds };
        }
        let mut text = String::new();
        let read = note.take(LONGEST_NOTE).read_to_string(&mut text).is_ok();
        let is_note = read && !text.is_empty() && !text.chars().any(char::is_control);
        let neighbour = if is_note { text } else { "another `wash dev`".to_owned() };
        Self { _note: None, neighbour: Some(neighbour), builds }
    }

    /// Who else works on the project, in words.
    pub(crate) fn neighbour(&self) -> Option<&str> {
        self.neighbour.as_deref()
    }

    /// The file that is locked by whoever builds.
    pub(crate) fn builds(&self) -> Option<PathBuf> {
        self.builds.clone()
    }
}

impl BuildTurn {
    /// Waits until nobody else builds the project, or until it is cancelled.
    pub(crate) fn take(builds: Option<&Path>, cancel: &CancelToken) -> Self {
        let Some(file) = builds.and_then(open) else { return Self { _locked: None } };
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if !cancel.is_cancelled() => thread::sleep(ASK_INTERVAL),
                // A file system without locks is no reason not to build.
                Ok(()) | Err(_) => return Self { _locked: Some(file) },
            }
        }
    }
}

/// A folder that nobody but this user can write in.
fn own_folder() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("wash-dev-{user}"));
    // If it is there already, what matters is whose it is.
    _ = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    let metadata = folder.symlink_metadata().ok()?;
    (metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o077 == 0).then_some(folder)
}

fn open(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).ok()
}
