//! One repository: an image layout with its lock, and what is remembered of its index.
//!
//! It knows paths and the index; what manifests mean is [`super::manifest`]'s affair.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::File;

use super::disk::{self, Lock};
use super::index::{Descriptor, Index};
use super::manifest::{self, Manifest};
use super::{MANIFEST_LIMIT, StoreError};
use crate::name::{Algorithm, Digest};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// How deeply indexes may lie in each other when those of others are read.
const DEEPEST_PART: usize = 8;

/// A repository's place on the disk.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.folder.join("blobs").join(algorithm.name())
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index.json")
    }

    /// Where the holder of the lock writes what is not in its place yet. One left by a process that died is overwritten.
    fn temporary(&self) -> PathBuf {
        self.folder.join(".new")
    }

    /// Makes the layout, if it is not there, and a folder for blobs.
    pub(super) fn create(&self, algorithm: Algorithm) -> Result<(), StoreError> {
        disk::create_folder(&self.blobs(algorithm))?;
        let marker = self.folder.join("oci-layout");
        if marker.exists() && self.index().exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if !self.index().exists() {
            self.write_index(&Index::default())?;
        }
        if !marker.exists() {
            disk::write(&marker, &self.temporary(), LAYOUT)?;
        }
        Ok(())
    }

    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let lock = Lock::acquire(&self.folder.join(".lock"))?;
        lock.ok_or(StoreError::Busy("this repository"))
    }

    /// Stores a manifest's bytes. For the holder of the lock.
    pub(super) fn write_blob(&self, digest: &Digest, content: &[u8]) -> io::Result<()> {
        let path = self.blob(digest);
        // Whatever is there under this name was complete before it got the name.
        if path.exists() { Ok(()) } else { disk::write(&path, &self.temporary(), content) }
    }

    /// Gives a finished file the name of a blob. For the holder of the lock.
    pub(super) fn place_blob(&self, digest: &Digest, finished: &Path) -> io::Result<()> {
        disk::place(finished, &self.blob(digest), &self.temporary())
    }

    /// Makes another repository's blob this one's too. For the holder of the lock.
    pub(super) fn link_blob(&self, digest: &Digest, other: &Path) -> io::Result<()> {
        disk::link(other, &self.blob(digest), &self.temporary())
    }

    /// For the holder of the lock.
    pub(super) fn write_index(&self, index: &Index) -> Result<(), StoreError> {
        let path = self.index();
        let content = index.to_json().map_err(|source| StoreError::Index { path: path.clone(), source })?;
        Ok(disk::write(&path, &self.temporary(), &content)?)
    }
}

/// What tells one state of a file from another. The file is kept open, so that its number is not given to another one.
#[derive(Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[derive(Debug)]
struct Remembered {
    _file: File,
    stamp: Stamp,
    index: Arc<Index>,
}

/// A repository with what this process remembers of it. Others may change it at any time.
#[derive(Debug)]
pub(super) struct OpenRepository {
    pub(super) layout: Layout,
    remembered: Mutex<Option<Remembered>>,
    /// The subject of each manifest that was looked at, which is a part of its content and never changes.
    subjects: Mutex<HashMap<Digest, Option<Digest>>>,
}

impl OpenRepository {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, remembered: Mutex::new(None), subjects: Mutex::new(HashMap::new()) }
    }

    /// The index as it is now; `None` where there is no repository.
    pub(super) fn index(&self) -> Result<Option<Arc<Index>>, StoreError> {
        let path = self.layout.index();
        // Nothing panics while it holds this lock.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = match fs_err::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                *remembered = None;
                return Ok(None);
            }
            Err(err) => return Err(err.into()),
        };
        if let Some(remembered) = remembered.as_ref().filter(|known| known.stamp == Stamp::of(&metadata)) {
            return Ok(Some(Arc::clone(&remembered.index)));
        }
        let mut file = disk::open(&path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let mut index = Index::parse(&content).map_err(|source| StoreError::Index { path, source })?;
        self.add_parts(&mut index);
        let index = Arc::new(index);
        self.forget_subjects_not_in(&index);
        *remembered = Some(Remembered { _file: file, stamp, index: Arc::clone(&index) });
        Ok(Some(index))
    }

    /// A layout that others wrote lists an index, but not the manifests in it.
    fn add_parts(&self, index: &mut Index) {
        let mut open: Vec<(Descriptor, usize)> = index.entries().iter().cloned().map(|entry| (entry, 0)).collect();
        while let Some((entry, depth)) = open.pop() {
            if depth >= DEEPEST_PART || !manifest::is_index(&entry.media_type) {
                continue;
            }
            let Ok(content) = self.read_manifest(&entry.digest) else { continue };
            let Ok(manifest) = Manifest::parse(&content) else { continue };
            for part in manifest.parts() {
                let is_here = self.layout.blob(&part.digest).is_file();
                if is_here && index.add_part(part) {
                    open.push((part.clone(), depth + 1));
                }
            }
        }
    }

    /// The bytes of a manifest.
    pub(super) fn read_manifest(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let file = disk::open(&self.layout.blob(digest))?;
        let mut content = Vec::new();
        file.take(MANIFEST_LIMIT as u64).read_to_end(&mut content)?;
        Ok(content)
    }

    /// The manifests whose subject this is, in the order of their digests.
    pub(super) fn referrers(&self, index: &Index, subject: &Digest) -> Vec<Digest> {
        let mut found: Vec<Digest> = Vec::new();
        for digest in index.digests() {
            let known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
            let its_subject = known.unwrap_or_else(|| self.look_at_subject(digest));
            if its_subject.as_ref() == Some(subject) {
                found.push(digest.clone());
            }
        }
        found.sort();
        found
    }

    fn look_at_subject(&self, digest: &Digest) -> Option<Digest> {
        let content = self.read_manifest(digest).ok()?;
        let subject = Manifest::parse(&content).ok().and_then(|manifest| manifest.subject().cloned());
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.insert(digest.clone(), subject.clone());
        subject
    }

    fn forget_subjects_not_in(&self, index: &Index) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.retain(|digest, _| index.media_type(digest).is_some());
    }
}
