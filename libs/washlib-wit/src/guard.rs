//! Keeps two processes from changing one project at the same time.
//!
//! The lock is on the project's folder, which needs no right to write and leaves no file behind, and on `wkg.lock` where
//! there is one, because wkg locks that. Where the file system knows no locks there is none, as with wkg.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::WitProject;

/// How long nothing is said about waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a lock is asked for again: short beside what a person notices.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// As long as this lives, no other process that asks changes the project.
#[derive(Debug)]
pub struct Guard {
    // Closing the files gives the locks back.
    _folder: Option<File>,
    _lock_file: Option<File>,
}

impl Guard {
    /// Waits until the project is free. `waiting` is called once when that takes longer than a second.
    ///
    /// # Errors
    ///
    /// `Interrupted` when the flag becomes true.
    pub fn acquire(project: &WitProject, interrupted: &AtomicBool, waiting: impl FnOnce()) -> io::Result<Self> {
        let started = Instant::now();
        let mut waiting = Some(waiting);
        let mut pause = || {
            if interrupted.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if started.elapsed() >= PATIENCE
                && let Some(waiting) = waiting.take()
            {
                waiting();
            }
            thread::sleep(POLL_INTERVAL);
            Ok(())
        };
        let folder = lock(project.root(), &mut pause)?;
        let lock_file = lock(&project.lock_path(), &mut pause)?;
        Ok(Self { _folder: folder, _lock_file: lock_file })
    }
}

/// The locked file; `None` where it does not exist, cannot be opened, or cannot be locked at all.
fn lock(path: &Path, pause: &mut impl FnMut() -> io::Result<()>) -> io::Result<Option<File>> {
    loop {
        let Ok(file) = File::open(path) else { return Ok(None) };
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) => pause()?,
                Err(_) => return Ok(None),
            }
        }
        // Whoever held it may have put another file in its place.
        let is_current = match (file.metadata(), std::fs::metadata(path)) {
            (Ok(locked), Ok(current)) => (locked.dev(), locked.ino()) == (current.dev(), current.ino()),
            _ => false,
        };
        if is_current {
            return Ok(Some(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wkg.lock"), "").unwrap();
        let project = WitProject::new(folder.path(), Path::new("wit"));
        let first = Guard::acquire(&project, &AtomicBool::new(false), || ()).unwrap();
        let (said, waits) = mpsc::channel();
        thread::scope(|scope| {
            let second =
                scope.spawn(|| Guard::acquire(&project, &AtomicBool::new(false), || said.send(()).unwrap()).map(drop));
            // Said only after the patience, so the first still holds the lock then.
            waits.recv().unwrap();
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn waiting_can_be_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let project = WitProject::new(folder.path(), Path::new("wit"));
        let _first = Guard::acquire(&project, &AtomicBool::new(false), || ()).unwrap();
        let err = Guard::acquire(&project, &AtomicBool::new(true), || ()).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::Interrupted);
    }
}
