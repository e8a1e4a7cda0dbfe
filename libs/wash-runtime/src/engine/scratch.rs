//! Directories that go with a workload: empty at first, and removed with it.
//!
//! A host that is killed removes nothing, so the next one does: whoever uses a directory holds a lock on it, which goes
//! with its process.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

const PREFIX: &str = "wash-volume-";

/// A directory that is younger may be one whose user has not locked it yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A directory of a workload's own.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: TempDir,
    _lock: Option<File>,
}

impl Scratch {
    /// An empty one among the system's temporary files.
    pub(crate) fn create() -> io::Result<Self> {
        static ABANDONED: Once = Once::new();
        ABANDONED.call_once(|| remove_abandoned(&std::env::temp_dir()));
        Self::create_in(&std::env::temp_dir())
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = lock(directory.path());
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Locks a directory, if nobody has it.
fn lock(directory: &Path) -> Option<File> {
    let file = File::open(directory).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Removes what hosts of this user have left that were killed. What cannot be removed stays; it is in nobody's way.
fn remove_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
            && std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir() && is_own_and_old(&metadata));
        if is_ours && let Some(_lock) = lock(&path) {
            _ = std::fs::remove_dir_all(&path);
        }
    }
}

fn is_own_and_old(metadata: &std::fs::Metadata) -> bool {
    #[cfg(unix)]
    let is_own = {
        use std::os::unix::fs::MetadataExt as _;
        metadata.uid() == rustix::process::geteuid().as_raw()
    };
    #[cfg(not(unix))]
    let is_own = true;
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    is_own && age.is_some_and(|age| age > YOUNG)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn what_nobody_uses_any_more_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let old = |path: &Path| {
            std::fs::write(path.join("file"), "of a guest").unwrap();
            File::open(path).unwrap().set_modified(SystemTime::now() - 2 * YOUNG).unwrap();
        };
        let used = Scratch::create_in(parent.path()).unwrap();
        old(used.path());
        let young = parent.path().join("wash-volume-young");
        let abandoned = parent.path().join("wash-volume-abandoned");
        let other = parent.path().join("others");
        for path in [&young, &abandoned, &other] {
            std::fs::create_dir(path).unwrap();
        }
        old(&abandoned);
        old(&other);
        remove_abandoned(parent.path());
        let left = [used.path(), &young, &abandoned, &other].map(Path::exists);
        assert_eq!(left, [true, true, false, true]);
    }
}
