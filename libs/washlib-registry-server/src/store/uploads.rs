//! Blobs that are being sent: files that grow, and the digests of what they have.
//!
//! A file is all that an upload is, so it survives the process. Digests are computed as bytes come; what another process
//! received, or this one before it was restarted, is read again.

use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fs_err::{File, OpenOptions};
use sha2::digest::Output;
use sha2::{Digest as _, Sha256, Sha512};
use uuid::Uuid;

use super::disk;
use super::{OpenError, StoreError};
use crate::name::{Algorithm, Digest};

/// How many may be unfinished at once.
const UPLOADS: usize = 1024;

/// After this long without a new byte nobody will go on.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// When there are too many, those without a new byte for this long go first.
const FORGOTTEN_IN_NEED: Duration = Duration::from_secs(60 * 60);

const READ_BUFFER: usize = 128 * 1024;

/// The name of an upload, which nobody can guess.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct UploadId(Uuid);

impl UploadId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Only in the form that is given out: it becomes a file's name.
        let id = Uuid::try_parse(text).ok()?;
        (id.hyphenated().to_string() == text).then_some(Self(id))
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A digest of the beginning of a file.
#[derive(Clone, Debug, Default)]
struct Hashed {
    hasher: Sha256,
    bytes: u64,
}

/// All unfinished uploads.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    /// What is known of those that nobody works on at the moment.
    hashed: Mutex<HashMap<UploadId, Hashed>>,
}

impl Uploads {
    pub(super) fn open(folder: PathBuf) -> Result<Self, OpenError> {
        disk::create_folder(&folder)?;
        let uploads = Self { folder, hashed: Mutex::default() };
        uploads.remove_older_than(FORGOTTEN)?;
        Ok(uploads)
    }

    fn path(&self, id: UploadId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Begins an upload.
    pub(crate) fn begin(&self) -> Result<UploadId, StoreError> {
        if self.count()? >= UPLOADS {
            self.remove_older_than(FORGOTTEN_IN_NEED)?;
            if self.count()? >= UPLOADS {
                return Err(StoreError::TooManyUploads { limit: UPLOADS });
            }
        }
        let id = UploadId(Uuid::new_v4());
        File::create_new(self.path(id))?;
        Ok(id)
    }

    fn count(&self) -> io::Result<usize> {
        Ok(fs_err::read_dir(&self.folder)?.count())
    }

    fn remove_older_than(&self, age: Duration) -> io::Result<()> {
        let Some(oldest) = SystemTime::now().checked_sub(age) else { return Ok(()) };
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(UploadId::parse) else { continue };
            // It may have ended in the meantime.
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified < oldest) {
                self.forget(id);
                disk::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// How many bytes an upload has.
    pub(crate) fn received(&self, id: UploadId) -> Result<u64, StoreError> {
        let metadata = fs_err::symlink_metadata(self.path(id)).map_err(gone)?;
        Ok(metadata.len())
    }

    /// Ends an upload without a result.
    pub(crate) fn cancel(&self, id: UploadId) -> Result<(), StoreError> {
        self.forget(id);
        fs_err::remove_file(self.path(id)).map_err(gone)
    }

    /// Takes an upload up, for one request at a time.
    pub(crate) fn resume(&self, id: UploadId) -> Result<Upload, StoreError> {
        let path = self.path(id);
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(gone)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::Busy("this upload")),
            Err(std::fs::TryLockError::Error(err)) => return Err(err.into()),
        }
        let received = file.metadata()?.len();
        let known = self.hashed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id).unwrap_or_default();
        // More than there is: another upload's, which cannot be.
        let hashed = if known.bytes <= received { known } else { Hashed::default() };
        Ok(Upload { id, path, file, received, hashed })
    }

    /// Keeps what is known of an upload until its next request.
    pub(crate) fn pause(&self, upload: Upload) {
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        if hashed.len() < UPLOADS {
            hashed.insert(upload.id, upload.hashed);
        }
    }

    fn forget(&self, id: UploadId) {
        self.hashed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

fn gone(err: io::Error) -> StoreError {
    if err.kind() == io::ErrorKind::NotFound { StoreError::UnknownUpload } else { err.into() }
}

/// An upload that one request works on; nobody else can meanwhile.
#[derive(Debug)]
pub(crate) struct Upload {
    id: UploadId,
    path: PathBuf,
    file: File,
    received: u64,
    hashed: Hashed,
}

impl Upload {
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, pieces: &[bytes::Bytes]) -> io::Result<()> {
        for piece in pieces {
            // An error may leave a part of the piece behind: the digest is behind the file then, and catches up later.
            self.file.write_all(piece)?;
            if self.hashed.bytes == self.received {
                self.hashed.hasher.update(piece);
                self.hashed.bytes += piece.len() as u64;
            }
            self.received += piece.len() as u64;
        }
        Ok(())
    }

    /// Removes the file, so that the disk has its space back.
    pub(crate) fn abandon(self) -> io::Result<()> {
        disk::remove(&self.path)
    }

    /// Makes sure that the bytes have the digest and are safe on the disk. Returns their file; removes it otherwise.
    pub(super) fn complete(&mut self, expected: &Digest) -> Result<PathBuf, StoreError> {
        let actual = match expected.algorithm() {
            Algorithm::Sha256 => self.sha256()?,
            Algorithm::Sha512 => Digest::from_output(Algorithm::Sha512, &self.sha512()?),
        };
        if actual != *expected {
            disk::remove(&self.path)?;
            return Err(StoreError::DigestMismatch { expected: expected.clone(), actual });
        }
        self.file.sync_data()?;
        Ok(self.path.clone())
    }

    fn sha256(&mut self) -> io::Result<Digest> {
        let (hasher, bytes) = (&mut self.hashed.hasher, self.hashed.bytes);
        let read = for_each_piece(&self.path, bytes, |piece| hasher.update(piece))?;
        self.hashed.bytes += read;
        Ok(Digest::from_output(Algorithm::Sha256, &hasher.clone().finalize()))
    }

    fn sha512(&self) -> io::Result<Output<Sha512>> {
        let mut hasher = Sha512::new();
        for_each_piece(&self.path, 0, |piece| hasher.update(piece))?;
        Ok(hasher.finalize())
    }
}

/// Reads a file from a position on. Returns the number of bytes.
fn for_each_piece(path: &Path, from: u64, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut file = disk::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut buffer = vec![0; READ_BUFFER];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                take(&buffer[..read]);
                total += read as u64;
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}
