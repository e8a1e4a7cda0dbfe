//! A registry on disk: an OCI image layout for each repository, in a folder of the repository's name.
//!
//! One layout per repository, because that is what other programs can open: `skopeo` and `oras` name a layout and a tag
//! (`oci:registry/hello:1.0.0`), and a repository in between has no place in either's syntax. A blob that is mounted in
//! a second repository is a second name of the same file.
//!
//! Files appear whole, by renaming; the index changes under a lock between processes. Functions here block.

mod disk;
mod error;
mod index;
mod manifest;
mod repository;
mod uploads;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::File;

pub use error::{OpenError, StoreError};
pub(crate) use index::{Descriptor, INDEX_MEDIA_TYPE};
pub(crate) use uploads::{Upload, UploadId};

use crate::name::{Digest, Reference, Repository};
use index::Index;
use manifest::Manifest;
use repository::{Layout, OpenRepository};
use uploads::Uploads;

/// The largest manifest: clients refuse larger ones, and the specification asks for no more.
pub(crate) const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

/// How many repositories' indexes are remembered.
const REMEMBERED_REPOSITORIES: usize = 128;

/// A page of referrers ends when its manifests have this many bytes: each is read into memory.
const REFERRERS_PAGE: u64 = 1024 * 1024;

/// How deeply repositories may lie in each other when all are listed: the longest name has no more parts.
const DEEPEST_REPOSITORY: usize = 128;

/// A registry's content. Several processes may work with one folder at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    uploads: Uploads,
    repositories: Mutex<HashMap<Repository, Arc<OpenRepository>>>,
}

/// A blob or a manifest, ready to be read.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) media_type: Option<String>,
    pub(crate) file: File,
    pub(crate) size: u64,
}

/// What became of a manifest that was pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) digest: Digest,
    pub(crate) subject: Option<Digest>,
}

/// A part of a list, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// What the next page comes after; `None` on the last one.
    pub(crate) continued: Option<String>,
}

impl Store {
    /// Opens a folder, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// When the folder is an image layout itself, or cannot be used.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        // Every path then has a parent, and the process may enter another folder.
        let root = std::path::absolute(root.into())?;
        disk::create_folder(&root)?;
        if root.join("oci-layout").exists() {
            return Err(OpenError::IsLayout { path: root });
        }
        let uploads = Uploads::open(root.join(".uploads"))?;
        Ok(Self { root, uploads, repositories: Mutex::default() })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    fn layout(&self, name: &Repository) -> Layout {
        Layout::new(self.root.join(name.folder()))
    }

    fn repository(&self, name: &Repository) -> Arc<OpenRepository> {
        // Nothing panics while it holds this lock.
        let mut repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = repositories.get(name) {
            return Arc::clone(known);
        }
        if repositories.len() >= REMEMBERED_REPOSITORIES {
            // Those in use at the moment are kept; the others are read again when somebody asks.
            repositories.retain(|_, repository| Arc::strong_count(repository) > 1);
        }
        let repository = Arc::new(OpenRepository::new(self.layout(name)));
        repositories.insert(name.clone(), Arc::clone(&repository));
        repository
    }

    // Blobs.

    pub(crate) fn blob(&self, name: &Repository, digest: &Digest) -> Result<Content, StoreError> {
        let unknown = || StoreError::UnknownBlob { repository: name.clone(), digest: digest.clone() };
        open_content(&self.layout(name), digest)?.ok_or_else(unknown)
    }

    pub(crate) fn has_blob(&self, name: &Repository, digest: &Digest) -> bool {
        self.layout(name).blob(digest).is_file()
    }

    /// Makes a blob of one repository a blob of another one. Returns whether there is such a blob.
    pub(crate) fn mount(&self, from: &Repository, to: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        if !self.has_blob(from, digest) {
            return Ok(false);
        }
        let target = self.layout(to);
        target.create(digest.algorithm())?;
        let _lock = target.lock()?;
        match target.link_blob(digest, &self.layout(from).blob(digest)) {
            Ok(()) => Ok(true),
            // It was deleted in the meantime.
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Makes an upload's bytes a blob, if they have the digest. Whatever becomes of it, the upload has ended.
    pub(crate) fn finish(&self, name: &Repository, upload: &mut Upload, digest: &Digest) -> Result<(), StoreError> {
        let finished = upload.complete(digest)?;
        let layout = self.layout(name);
        layout.create(digest.algorithm())?;
        let _lock = layout.lock()?;
        // One of another size was damaged by somebody else, and is replaced.
        let is_there = fs_err::symlink_metadata(layout.blob(digest)).is_ok_and(|blob| blob.len() == upload.received());
        if is_there {
            return Ok(disk::remove(&finished)?);
        }
        Ok(layout.place_blob(digest, &finished)?)
    }

    pub(crate) fn delete_blob(&self, name: &Repository, digest: &Digest) -> Result<(), StoreError> {
        let unknown = || StoreError::UnknownBlob { repository: name.clone(), digest: digest.clone() };
        let repository = self.repository(name);
        if repository.index()?.is_none() {
            return Err(unknown());
        }
        let _lock = repository.layout.lock()?;
        // A manifest is deleted as what it is.
        let is_manifest = repository.index()?.is_some_and(|index| index.media_type(digest).is_some());
        let path = repository.layout.blob(digest);
        if is_manifest || !path.is_file() {
            return Err(unknown());
        }
        disk::remove(&path)?;
        Ok(disk::sync_parent(&path)?)
    }

    // Manifests.

    pub(crate) fn manifest(&self, name: &Repository, reference: &Reference) -> Result<Content, StoreError> {
        let unknown = || StoreError::UnknownManifest { repository: name.clone(), reference: reference.clone() };
        let repository = self.repository(name);
        let index = repository.index()?.ok_or_else(|| StoreError::UnknownRepository(name.clone()))?;
        let digest = match reference {
            Reference::Tag(tag) => index.resolve(tag).ok_or_else(unknown)?,
            Reference::Digest(digest) => digest,
        };
        let media_type = index.media_type(digest).ok_or_else(unknown)?;
        let mut content = open_content(&repository.layout, digest)?.ok_or_else(unknown)?;
        content.media_type = Some(media_type.to_owned());
        Ok(content)
    }

    pub(crate) fn put_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        content_type: Option<&str>,
        content: &[u8],
    ) -> Result<Pushed, StoreError> {
        let (digest, tag) = match reference {
            Reference::Tag(tag) => (Digest::sha256(content), Some(tag)),
            Reference::Digest(expected) => {
                let actual = Digest::of(expected.algorithm(), content);
                if actual != *expected {
                    return Err(StoreError::DigestMismatch { expected: expected.clone(), actual });
                }
                (actual, None)
            }
        };
        let checked = manifest::check(content, content_type)?;
        let repository = self.repository(name);
        repository.layout.create(digest.algorithm())?;
        let _lock = repository.layout.lock()?;
        if let Some(missing) = checked.blobs.iter().find(|blob| !repository.layout.blob(&blob.digest).is_file()) {
            return Err(StoreError::MissingBlob(missing.digest.clone()));
        }
        repository.layout.write_blob(&digest, content)?;
        let mut index = current(&repository)?;
        index.put(
            Descriptor {
                media_type: checked.media_type,
                digest: digest.clone(),
                size: content.len() as u64,
                artifact_type: None,
                annotations: Default::default(),
                rest: Default::default(),
            },
            tag,
        );
        repository.layout.write_index(&index)?;
        Ok(Pushed { digest, subject: checked.subject })
    }

    /// Deletes a tag, or a manifest with all its tags.
    pub(crate) fn delete_manifest(&self, name: &Repository, reference: &Reference) -> Result<(), StoreError> {
        let unknown = || StoreError::UnknownManifest { repository: name.clone(), reference: reference.clone() };
        let repository = self.repository(name);
        if repository.index()?.is_none() {
            return Err(StoreError::UnknownRepository(name.clone()));
        }
        let _lock = repository.layout.lock()?;
        let mut index = current(&repository)?;
        let was_there = match reference {
            Reference::Tag(tag) => index.untag(tag),
            Reference::Digest(digest) => index.remove(digest),
        };
        if !was_there {
            return Err(unknown());
        }
        repository.layout.write_index(&index)?;
        if let Reference::Digest(digest) = reference {
            // Nobody finds it any more: were this never done, nothing but space would be lost.
            disk::remove(&repository.layout.blob(digest))?;
        }
        Ok(())
    }

    // Lists.

    /// Tags in their order, after `last`.
    pub(crate) fn tags(&self, name: &Repository, last: Option<&str>, limit: usize) -> Result<Page<String>, StoreError> {
        let index = self.repository(name).index()?.ok_or_else(|| StoreError::UnknownRepository(name.clone()))?;
        let tags = index.tags_after(last).take(limit.saturating_add(1)).map(|tag| tag.as_str().to_owned());
        Ok(Page::new(tags.collect(), limit))
    }

    /// Names of repositories in their order, after `last`.
    pub(crate) fn repositories(&self, last: Option<&str>, limit: usize) -> Result<Page<String>, StoreError> {
        let mut names = Vec::new();
        self.collect_repositories(Path::new(""), 0, &mut names)?;
        names.sort_unstable();
        let last = last.unwrap_or_default();
        let names = names.into_iter().filter(|name| name.as_str() > last).take(limit.saturating_add(1));
        Ok(Page::new(names.collect(), limit))
    }

    fn collect_repositories(&self, folder: &Path, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
        if depth > DEEPEST_REPOSITORY {
            return Ok(());
        }
        for entry in fs_err::read_dir(self.root.join(folder))? {
            let entry = entry?;
            let below = folder.join(entry.file_name());
            // Names that no repository has are not looked into: among them are the blobs, which may be many.
            let Some(name) = Repository::of_folder(&below) else { continue };
            if !entry.path().is_dir() {
                continue;
            }
            if entry.path().join("index.json").is_file() {
                names.push(name.as_str().to_owned());
            }
            self.collect_repositories(&below, depth + 1, names)?;
        }
        Ok(())
    }

    /// The manifests that refer to another one, after `last`; all, or those of one type.
    pub(crate) fn referrers(
        &self,
        name: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&str>,
    ) -> Result<Page<Descriptor>, StoreError> {
        let mut page = Page { items: Vec::new(), continued: None };
        let repository = self.repository(name);
        // That nothing refers to it is true of a repository that is not there, too.
        let Some(index) = repository.index()? else { return Ok(page) };
        let mut bytes = 0;
        for digest in repository.referrers(&index, subject) {
            let text = digest.to_string();
            if last.is_some_and(|last| text.as_str() <= last) {
                continue;
            }
            if bytes >= REFERRERS_PAGE {
                page.continued = page.items.last().map(|last: &Descriptor| last.digest.to_string());
                break;
            }
            // It may be deleted while its kind are being listed.
            let Ok(content) = repository.read_manifest(&digest) else { continue };
            let Ok(manifest) = Manifest::parse(&content) else { continue };
            let media_type = index.media_type(&digest).unwrap_or_default();
            let referrer = manifest.as_referrer(media_type, digest, content.len() as u64);
            if artifact_type.is_none() || referrer.artifact_type.as_deref() == artifact_type {
                bytes += content.len() as u64;
                page.items.push(referrer);
            }
        }
        Ok(page)
    }
}

impl Page<String> {
    /// A page of `limit` items from a list that has one more, if there are more.
    fn new(mut items: Vec<String>, limit: usize) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let continued = if has_more { items.last().cloned() } else { None };
        Self { items, continued }
    }
}

/// The index, to be changed by the holder of the lock.
fn current(repository: &OpenRepository) -> Result<Index, StoreError> {
    Ok(repository.index()?.map(|index| Index::clone(&index)).unwrap_or_default())
}

fn open_content(layout: &Layout, digest: &Digest) -> Result<Option<Content>, StoreError> {
    let file = match disk::open(&layout.blob(digest)) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(Some(Content { digest: digest.clone(), media_type: None, file, size: metadata.len() }))
}
