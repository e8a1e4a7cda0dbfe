//! Containers in a directory: a directory for each namespace and container, a file for each object.
//!
//! A file holds the content as it is, and the trailer of its [name](names). Several processes may use one directory.
//! What is kept has no limit of its own, but leaves a part of the disk free.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::backend::{Backend, BlobError, Containers, Content, ObjectInfo, Range, Upload, seconds};
use crate::plugin::storage::files::{self, Base, Held, Sharing, Unfinished};
use crate::plugin::storage::names::{self, Decoded, FileName};

/// A container exists once this file in its directory does; the file's age is the container's.
const MARKER: &str = ".container";
/// Bytes that are read at once.
const CHUNK: u64 = 128 * 1024;
/// Names that are read at once.
const NAMES: usize = 256;

/// Containers in a directory.
#[derive(Debug)]
pub(crate) struct FilesystemBackend {
    base: Arc<Base>,
}

impl FilesystemBackend {
    /// Opens or creates the directory. It blocks.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        Ok(Self { base: Arc::new(Base::open(dir)?) })
    }
}

impl Backend for FilesystemBackend {
    fn containers(&self, namespace: &str) -> Arc<dyn Containers> {
        let dir = self.base.dir().join(FileName::of(namespace).as_str());
        Arc::new(FilesystemContainers { base: self.base.clone(), dir: dir.into() })
    }

    fn forget(&self, _: &str) {}
}

#[derive(Clone, Debug)]
struct FilesystemContainers {
    base: Arc<Base>,
    dir: Arc<Path>,
}

impl FilesystemContainers {
    fn dir_of(&self, container: &str) -> PathBuf {
        self.dir.join(FileName::of(container).as_str())
    }

    fn path_of(&self, container: &str, object: &str) -> PathBuf {
        self.dir_of(container).join(FileName::of(object).as_str())
    }

    /// Whoever changes objects shares the container's lock; whoever creates, clears or deletes the container has it alone.
    fn lock(&self, container: &str, sharing: Sharing) -> io::Result<Held> {
        self.base.lock([names::position(&self.dir_of(container).to_string_lossy())], sharing)
    }

    fn require(&self, container: &str) -> Result<(), BlobError> {
        match self.marker_time(container)? {
            Some(_) => Ok(()),
            None => Err(BlobError::NoContainer(container.to_string())),
        }
    }

    fn marker_time(&self, container: &str) -> io::Result<Option<SystemTime>> {
        match fs_err::symlink_metadata(self.dir_of(container).join(MARKER)) {
            Ok(metadata) => metadata.modified().map(Some),
            Err(err) if files::is_absence(&err) => Ok(None),
            Err(err) => Err(err),
        }
    }

    fn create_now(&self, container: &str) -> Result<(), BlobError> {
        let _held = self.lock(container, Sharing::Exclusive)?;
        if self.marker_time(container)?.is_some() {
            return Err(BlobError::ContainerExists(container.to_string()));
        }
        let dir = self.dir_of(container);
        files::create_dirs(&dir)?;
        // A deletion may have ended half-way.
        remove_objects(&dir)?;
        let marker = self.base.temporary()?;
        marker.sync()?;
        marker.persist(&dir.join(MARKER))?;
        Ok(files::sync_dir(&dir)?)
    }

    fn delete_now(&self, container: &str) -> Result<(), BlobError> {
        let _held = self.lock(container, Sharing::Exclusive)?;
        let dir = self.dir_of(container);
        // From here on the container is gone, whatever becomes of the rest.
        if !files::remove(&dir.join(MARKER))? {
            return Err(BlobError::NoContainer(container.to_string()));
        }
        files::sync_dir(&dir)?;
        remove_objects(&dir)?;
        match fs_err::remove_dir(&dir) {
            // Somebody else's file; it is no object.
            Err(err) if err.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            other => Ok(other?),
        }
    }

    fn clear_now(&self, container: &str) -> Result<(), BlobError> {
        let _held = self.lock(container, Sharing::Exclusive)?;
        self.require(container)?;
        let dir = self.dir_of(container);
        remove_objects(&dir)?;
        Ok(files::sync_dir(&dir)?)
    }

    fn info_now(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError> {
        self.require(container)?;
        let metadata = match fs_err::symlink_metadata(self.path_of(container, object)) {
            Ok(metadata) => metadata,
            Err(err) if files::is_absence(&err) => return Ok(None),
            Err(err) => return Err(err.into()),
        };
        let size = metadata.len().saturating_sub(FileName::of(object).trailer_len(object));
        Ok(Some(ObjectInfo { size, created_at: seconds(metadata.modified()?) }))
    }

    fn open_now(&self, container: &str, object: &str) -> Result<File, BlobError> {
        self.require(container)?;
        let file = files::open_to_read(&self.path_of(container, object))?;
        file.ok_or_else(|| BlobError::NoObject { container: container.to_string(), object: object.to_string() })
    }

    fn delete_objects_now(&self, container: &str, objects: &[String]) -> Result<(), BlobError> {
        let _held = self.lock(container, Sharing::Shared)?;
        self.require(container)?;
        let mut removed = false;
        for object in objects {
            removed |= files::remove(&self.path_of(container, object))?;
        }
        if removed {
            files::sync_dir(&self.dir_of(container))?;
        }
        Ok(())
    }

    fn commit_now(&self, mut file: Unfinished, container: &str, object: &str) -> Result<(), BlobError> {
        file.write(&FileName::of(object).trailer(object))?;
        file.sync()?;
        let _held = self.lock(container, Sharing::Shared)?;
        self.require(container)?;
        file.persist(&self.path_of(container, object))?;
        Ok(files::sync_dir(&self.dir_of(container))?)
    }
}

#[async_trait]
impl Containers for FilesystemContainers {
    fn identity(&self) -> String {
        format!("directory {}", self.dir.display())
    }

    async fn create(&self, container: &str) -> Result<(), BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || this.create_now(&container)).await
    }

    async fn created_at(&self, container: &str) -> Result<Option<u64>, BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || Ok(this.marker_time(&container)?.map(seconds))).await
    }

    async fn delete(&self, container: &str) -> Result<(), BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || this.delete_now(&container)).await
    }

    async fn clear(&self, container: &str) -> Result<(), BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || this.clear_now(&container)).await
    }

    async fn info(&self, container: &str, object: &str) -> Result<Option<ObjectInfo>, BlobError> {
        let (this, container, object) = (self.clone(), container.to_string(), object.to_string());
        files::blocking(move || this.info_now(&container, &object)).await
    }

    async fn read(&self, container: &str, object: &str, range: Range) -> Result<Content, BlobError> {
        let (this, container, object) = (self.clone(), container.to_string(), object.to_string());
        files::blocking(move || {
            let mut file = this.open_now(&container, &object)?;
            let size = file.metadata()?.len().saturating_sub(FileName::of(&object).trailer_len(&object));
            let (start, size) = range.within(size);
            file.seek(SeekFrom::Start(start))?;
            Ok(Content { size, chunks: stream::try_unfold((file, size), read_chunk).boxed() })
        })
        .await
    }

    async fn begin(&self) -> Result<Box<dyn Upload>, BlobError> {
        let this = self.clone();
        files::blocking(move || {
            let file = this.base.temporary()?;
            Ok(Box::new(FilesystemUpload { containers: this, file }) as Box<dyn Upload>)
        })
        .await
    }

    async fn delete_objects(&self, container: &str, objects: Vec<String>) -> Result<(), BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || this.delete_objects_now(&container, &objects)).await
    }

    async fn names(&self, container: &str) -> Result<BoxStream<'static, Result<String, BlobError>>, BlobError> {
        let (this, container) = (self.clone(), container.to_string());
        files::blocking(move || {
            this.require(&container)?;
            let dir = this.dir_of(&container);
            let entries = fs_err::read_dir(&dir)?;
            Ok(stream::try_unfold((entries, dir), read_names).try_flatten().boxed())
        })
        .await
    }
}

async fn read_chunk((file, left): (File, u64)) -> Result<Option<(Bytes, (File, u64))>, BlobError> {
    if left == 0 {
        return Ok(None);
    }
    files::blocking(move || {
        let mut chunk = Vec::new();
        let read = (&file).take(left.min(CHUNK)).read_to_end(&mut chunk)? as u64;
        if read == 0 {
            // A file in its place never shrinks, unless somebody else is at it.
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        Ok(Some((Bytes::from(chunk), (file, left - read))))
    })
    .await
}

type Names = stream::Iter<std::vec::IntoIter<Result<String, BlobError>>>;

async fn read_names(
    (mut entries, dir): (fs_err::ReadDir, PathBuf),
) -> Result<Option<(Names, (fs_err::ReadDir, PathBuf))>, BlobError> {
    files::blocking(move || {
        let mut names = Vec::new();
        for entry in entries.by_ref() {
            if let Some(name) = name_of(&entry?.path())? {
                names.push(Ok(name));
            }
            if names.len() == NAMES {
                break;
            }
        }
        let some = !names.is_empty();
        Ok(some.then(|| (stream::iter(names), (entries, dir))))
    })
    .await
}

/// The name of the object in a file; `None` if it is none, or no longer.
fn name_of(path: &Path) -> io::Result<Option<String>> {
    match path.file_name().and_then(names::decode) {
        Some(Decoded::Name(name)) => Ok(Some(name)),
        Some(Decoded::InTrailer) => match files::open_to_read(path)? {
            Some(mut file) => names::read_trailer(&mut file).map(Some),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

fn remove_objects(dir: &Path) -> io::Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        if names::position_of_file(&entry.file_name()).is_some() {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

struct FilesystemUpload {
    containers: FilesystemContainers,
    file: Unfinished,
}

#[async_trait]
impl Upload for FilesystemUpload {
    async fn write(mut self: Box<Self>, bytes: Bytes) -> Result<Box<dyn Upload>, BlobError> {
        files::blocking(move || {
            self.file.write(&bytes)?;
            Ok(self as Box<dyn Upload>)
        })
        .await
    }

    async fn commit(self: Box<Self>, container: String, object: String) -> Result<(), BlobError> {
        files::blocking(move || {
            let this = *self;
            this.containers.commit_now(this.file, &container, &object)
        })
        .await
    }
}
