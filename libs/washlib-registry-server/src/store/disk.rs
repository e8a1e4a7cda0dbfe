//! Writing so that a file is there whole or not at all, whenever the process or the machine dies.
//!
//! It knows nothing of registries.

use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::OFlags;

/// How long to wait for another process that holds a lock: its work is a matter of milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// How often to look whether the lock is free.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Opens a file to read. A symbolic link is no file: a layout from elsewhere must not make other files readable.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // The flags have the same bits on both sides; they differ in their type's sign alone.
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Writes a file by way of `temporary`, which nobody else may be writing to and which lies in the same folder.
pub(super) fn write(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(content)?;
    file.sync_data()?;
    drop(file);
    fs_err::rename(temporary, path)?;
    sync_parent(path)
}

/// Moves a finished file to its place, by way of `temporary` if that is on another disk.
pub(super) fn place(from: &Path, to: &Path, temporary: &Path) -> io::Result<()> {
    match fs_err::rename(from, to) {
        Err(err) if err.kind() == io::ErrorKind::CrossesDevices => {
            copy(from, to, temporary)?;
            fs_err::remove_file(from)
        }
        result => result.and_then(|()| sync_parent(to)),
    }
}

/// Makes a file appear at a second place, without copying where the disk can do that.
pub(super) fn link(from: &Path, to: &Path, temporary: &Path) -> io::Result<()> {
    match fs_err::hard_link(from, to) {
        Ok(()) => sync_parent(to),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err(err),
        Err(_) => copy(from, to, temporary),
    }
}

fn copy(from: &Path, to: &Path, temporary: &Path) -> io::Result<()> {
    let mut source = open(from)?;
    let mut target = File::create(temporary)?;
    io::copy(&mut source, &mut target)?;
    target.sync_data()?;
    drop(target);
    fs_err::rename(temporary, to)?;
    sync_parent(to)
}

/// Makes a folder and those above it, down from one that exists.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    match fs_err::create_dir(path) {
        Ok(()) => sync_parent(path),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent() else { return Err(err) };
            create_folder(parent)?;
            create_folder(path)
        }
        Err(err) => Err(err),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A name in a folder is safe only when the folder is.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A lock between processes and threads; it ends with the value, and with the process however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock. `None` means that somebody has kept it for too long.
    pub(super) fn acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(std::fs::TryLockError::WouldBlock) if begun.elapsed() > LOCK_PATIENCE => return Ok(None),
                Err(std::fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(std::fs::TryLockError::Error(err)) => return Err(err),
            }
        }
    }
}
