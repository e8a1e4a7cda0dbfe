//! Files that are whole or absent, whatever happens to the process, and locks that processes share.
//!
//! A directory tree of this kind may be used by several processes at once. It neither names nor reads what it keeps.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;

use super::room;

/// Names that begin with a dot are never names of a tenant's data.
const TEMPORARY: &str = ".tmp";
const LOCKS: &str = ".locks";

/// A directory with room for unfinished files and for locks.
#[derive(Debug)]
pub(crate) struct Base {
    dir: PathBuf,
}

/// Whether others may hold the same lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sharing {
    Shared,
    Exclusive,
}

/// Locks that are held until this is dropped, or the process ends.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held(#[expect(dead_code, reason = "closing the files releases the locks")] Vec<File>);

impl Base {
    /// Opens or creates the directory, and removes what processes that are gone have left unfinished.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        create_dirs(&dir.join(TEMPORARY))?;
        create_dirs(&dir.join(LOCKS))?;
        let base = Self { dir };
        base.sweep()?;
        Ok(base)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new unfinished file.
    pub(crate) fn temporary(&self) -> io::Result<Unfinished> {
        loop {
            let path = self.dir.join(TEMPORARY).join(format!("{:032x}", unique()));
            let file = open_options().write(true).create_new(true).open(&path)?;
            let unfinished = Unfinished { file: file.into_file(), path: Some(path) };
            // The lock tells a sweep that the file is in use. One that came first has removed the file.
            if unfinished.file.try_lock().is_ok() && unfinished.file.metadata()?.nlink() > 0 {
                return Ok(unfinished);
            }
        }
    }

    /// Locks the shards that these hashes fall into. Every caller takes several in the same order.
    pub(crate) fn lock(&self, hashes: impl IntoIterator<Item = u64>, sharing: Sharing) -> io::Result<Held> {
        let shards: BTreeSet<u8> = hashes.into_iter().map(|hash| hash.to_le_bytes()[0]).collect();
        shards.into_iter().map(|shard| self.lock_shard(shard, sharing)).collect::<io::Result<_>>().map(Held)
    }

    fn lock_shard(&self, shard: u8, sharing: Sharing) -> io::Result<File> {
        let path = self.dir.join(LOCKS).join(format!("{shard:02x}"));
        let file = open_options().read(true).write(true).create(true).truncate(false).open(&path)?.into_file();
        loop {
            let locked = match sharing {
                Sharing::Shared => file.lock_shared(),
                Sharing::Exclusive => file.lock(),
            };
            match locked {
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(named(err, &path)),
                Ok(()) => return Ok(file),
            }
        }
    }

    fn sweep(&self) -> io::Result<()> {
        for entry in fs_err::read_dir(self.dir.join(TEMPORARY))? {
            let path = entry?.path();
            let file = match open_options().read(true).open(&path) {
                Ok(file) => file.into_file(),
                Err(err) if err.kind() == ErrorKind::NotFound => continue,
                Err(err) => return Err(err),
            };
            match file.try_lock() {
                Ok(()) => _ = remove(&path)?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(err)) => return Err(named(err, &path)),
            };
        }
        Ok(())
    }
}

/// A file that nobody sees until it is [put in its place](Unfinished::persist), and that is removed if it never is.
#[derive(Debug)]
pub(crate) struct Unfinished {
    file: File,
    path: Option<PathBuf>,
}

impl Unfinished {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        room::check(&self.file, bytes.len()).and_then(|()| self.file.write_all(bytes)).map_err(|err| named(err, path))
    }

    /// Makes the bytes survive a crash; the name they go by does not yet.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        self.file.sync_all().map_err(|err| named(err, path))
    }

    /// Puts the file in its place, in one step. The caller has [synced](Unfinished::sync) it, and [syncs](sync_dir) the
    /// directory afterwards.
    pub(crate) fn persist(mut self, target: &Path) -> io::Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let renamed = fs_err::rename(&path, target);
        if renamed.is_err() {
            self.path = Some(path);
        }
        renamed
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed now, the next sweep removes.
            _ = fs_err::remove_file(path);
        }
    }
}

/// A number that no process has used or will use again: the identity of one version of a value.
pub(crate) fn unique() -> u128 {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| {
        // The keys of a RandomState are the standard library's source of the system's randomness.
        RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
    });
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    u128::from(*PROCESS) << 64 | u128::from(COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Opens a file to read it; `None` if there is none. A symbolic link is an error: the trees contain none.
pub(crate) fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    match open_options().read(true).open(path) {
        Ok(file) => Ok(Some(file.into_file())),
        Err(err) if is_absence(&err) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Makes what was renamed or removed in a directory survive a crash.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs_err::File::open(dir)?.sync_all()
}

/// Creates a directory and those above it, durably.
pub(crate) fn create_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    create_dirs(parent)?;
    match fs_err::create_dir(dir) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(err) => Err(err),
        Ok(()) => sync_dir(parent),
    }
}

/// Removes a file; whether there was one.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    absent_is_fine(fs_err::remove_file(path))
}

pub(crate) fn is_absence(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Runs what may block where it holds up nobody.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(err) => Err(io::Error::other(err).into()),
    }
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(err) if is_absence(&err) => Ok(false),
        Err(err) => Err(err),
    }
}

fn open_options() -> fs_err::OpenOptions {
    let mut options = fs_err::OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn named(err: io::Error, path: &Path) -> io::Error {
    io::Error::new(err.kind(), format!("{}: {err}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary_files(dir: &Path) -> usize {
        std::fs::read_dir(dir.join(TEMPORARY)).unwrap().count()
    }

    #[test]
    fn a_sweep_removes_only_what_nobody_writes() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::open(dir.path().to_path_buf()).unwrap();
        let in_use = base.temporary().unwrap();
        std::fs::write(dir.path().join(TEMPORARY).join("left"), "rubbish").unwrap();
        Base::open(dir.path().to_path_buf()).unwrap();
        assert_eq!(temporary_files(dir.path()), 1);
        drop(in_use);
        assert_eq!(temporary_files(dir.path()), 0);
    }

    #[test]
    fn symbolic_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, dir.path().join("link")).unwrap();
        assert!(open_to_read(&dir.path().join("link")).is_err());
        assert!(open_to_read(&secret).unwrap().is_some());
    }
}
