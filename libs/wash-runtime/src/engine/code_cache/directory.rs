//! A directory that only this user can write, and the files in it.
//!
//! All is done relative to the directory that was checked when it was opened: a path that later leads elsewhere changes
//! nothing. It does not know what the files contain.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::artifact::Secret;
use super::error::CodeCacheError;
use crate::engine::digest::hexadecimal;

const SECRET_FILE: &str = "secret";

/// Files that are being written. They become visible under their own name at once, or never.
const TEMPORARY_PREFIX: &str = "tmp-";

/// No write takes this long: whoever began it is gone.
const TEMPORARY_AGE: Duration = Duration::from_secs(600);

/// Bits of a mode that let somebody else write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
    handle: File,
}

impl PrivateDirectory {
    /// Opens the directory, creating it and those above it, and checks that nobody else can write to it.
    pub(super) fn open(path: &Path) -> Result<Self, CodeCacheError> {
        let error = |source| CodeCacheError::Open { path: path.to_path_buf(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|err| error(err.into()))?);
        let metadata = handle.metadata().map_err(error)?;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(CodeCacheError::ForeignOwner { path: path.to_path_buf(), owner: metadata.uid(), user });
        }
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(CodeCacheError::WritableByOthers { path: path.to_path_buf(), mode: metadata.mode() & 0o7777 });
        }
        Ok(Self { path: path.to_path_buf(), handle })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's secret, made by whoever comes first.
    pub(super) fn secret(&self) -> io::Result<Secret> {
        match self.read_secret() {
            Ok(Some(secret)) => return Ok(secret),
            // Not ours alone, or cut short: what was written with it is not trusted either.
            Ok(None) => {
                tracing::warn!(directory = %self.path.display(), "replacing the damaged secret of the code cache");
                self.remove(SECRET_FILE)?;
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        let mut secret = Secret::default();
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let temporary = self.write_temporary(&[&secret])?;
        // A link fails if another process was faster, and then its secret counts.
        let linked = rustix::fs::linkat(&self.handle, &temporary, &self.handle, SECRET_FILE, AtFlags::empty());
        match linked {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.remove(&temporary)?,
            // Where there are no links, a process that was faster writes entries that are not trusted later.
            Err(_) => rustix::fs::renameat(&self.handle, &temporary, &self.handle, SECRET_FILE)?,
        }
        self.read_secret()?.ok_or_else(|| io::Error::other("the secret was changed while it was made"))
    }

    fn read_secret(&self) -> io::Result<Option<Secret>> {
        let Some(file) = self.open_own(SECRET_FILE)? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(64).read_to_end(&mut content)?;
        Ok(content.try_into().ok())
    }

    /// Opens a regular file for reading; `None` if it is something else, or if others can change it.
    pub(super) fn open_own(&self, name: &str) -> io::Result<Option<File>> {
        // A pipe must not keep the caller waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::LOOP) => return Ok(None),
            Err(err) => return Err(err.into()),
        };
        let metadata = file.metadata()?;
        let own = metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & WRITABLE_BY_OTHERS == 0;
        Ok(own.then_some(file))
    }

    /// Replaces a file as a whole. It can only be read afterwards, even by its owner.
    pub(super) fn write(&self, name: &str, content: &[&[u8]]) -> io::Result<()> {
        let temporary = self.write_temporary(content)?;
        let renamed = rustix::fs::renameat(&self.handle, &temporary, &self.handle, name);
        if renamed.is_err() {
            _ = self.remove(&temporary);
        }
        Ok(renamed?)
    }

    fn write_temporary(&self, content: &[&[u8]]) -> io::Result<String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{TEMPORARY_PREFIX}{}", hexadecimal(&random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.handle, name.as_str(), flags, mode)?);
        let written = content.iter().try_for_each(|part| file.write_all(part)).and_then(|()| {
            rustix::fs::fchmod(&file, Mode::RUSR)?;
            file.sync_all()
        });
        if written.is_err() {
            _ = self.remove(&name);
        }
        written.map(|()| name)
    }

    /// Removes a file; one that is gone already is no error. Who has it mapped keeps it.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// Sets the time of the last modification, which nothing else changes, to now.
    pub(super) fn touch(&self, name: &str) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        Ok(rustix::fs::utimensat(&self.handle, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_string());
            }
        }
        Ok(names)
    }

    /// Removes what writers left that ended before they were done.
    pub(super) fn remove_stale_temporaries(&self) -> io::Result<()> {
        for name in self.names()?.iter().filter(|name| name.starts_with(TEMPORARY_PREFIX)) {
            let stale = match self.open_own(name) {
                Ok(Some(file)) => age(&file.metadata()?) > TEMPORARY_AGE,
                Ok(None) => true,
                Err(_) => false,
            };
            if stale {
                self.remove(name)?;
            }
        }
        Ok(())
    }
}

/// Time since the last use, by the file's own time; zero for one of the future.
pub(super) fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|used| SystemTime::now().duration_since(used).ok()).unwrap_or_default()
}
